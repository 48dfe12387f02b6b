// Package poll fetches a bot's updates with getUpdates and hands them to its webhook,
// for a machine without a public address.
//
//   - poll.go: the poller, its start and end
//   - fetch.go: getUpdates, and what may be confirmed
//   - window.go: the updates that are fetched and not confirmed, and whose turn it is
//   - deliver.go: one delivery and what comes of it
//   - lease.go: which of several nodes fetches
//   - report.go: the status and the log
package poll

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"
	"golang.org/x/time/rate"

	"github.com/caddy-telegram/telegramwebhook/internal/botapi"
	"github.com/caddy-telegram/telegramwebhook/internal/boundedlog"
	"github.com/caddy-telegram/telegramwebhook/internal/telegram"
)

// Webhook is what gets the updates.
type Webhook interface {
	// Deliver hands an update to the bot through the site, and returns the answer as
	// Telegram would read it. It takes at most telegram.Timeout.
	Deliver(update []byte) *telegram.Answer

	// Emit tells the subscribers of Caddy's events. They take as long as they like, so
	// it is called while no lock is held.
	Emit(event string, data map[string]any)
}

// Config is what one configuration wants of the poller.
type Config struct {
	Webhook        Webhook
	API            *botapi.Client
	Storage        certmagic.Storage
	Prefix         string   // of the bot's keys in storage
	Process        string   // this process, for the lease
	AllowedUpdates []string // always sent; empty for Telegram's default
	MaxConnections int      // how many deliveries may be under way at once; 0 for Telegram's default
	Logger         *zap.Logger
}

// Poller fetches the updates of one bot for this process. It outlives configurations: a
// reload hands it another Config.
type Poller struct {
	progress chan struct{} // filled when fetching again is likely to bring something
	lease    lease

	// The following fields belong to the goroutine that fetches.
	offset     int64     // confirms all updates before it
	confirmed  int64     // the offset that Telegram has
	healthy    bool      // the last call was answered, or ended by somebody else's
	noWebhook  bool      // Telegram has said so, and no conflict has come since
	conflictAt time.Time // when somebody else last fetched
	backoff    botapi.Backoff
	reported   boundedlog.Repeated // why updates are not fetched

	failures rate.Sometimes // bounds how often failed deliveries are reported

	mu        sync.Mutex
	config    Config
	status    Status
	stop      context.CancelFunc // ends fetching; nil after Stop
	closed    bool               // nothing is fetched or begun: stopped, and not yet begun again
	ended     chan struct{}      // closed when everything after stop is done; nil before the first start
	interrupt context.CancelFunc // ends the attempt under way and the pause after it
	window    []*update
	crowded   bool                      // the window is full of what fails, which was logged
	underWay  map[*update]chan struct{} // deliveries; each channel is closed at the end
}

// New returns a poller that does nothing yet.
func New() *Poller {
	return &Poller{
		progress:  make(chan struct{}, 1),
		lease:     lease{turn: make(chan struct{}, 1)},
		failures:  rate.Sometimes{Interval: 5 * time.Minute},
		interrupt: func() {},
		underWay:  make(map[*update]chan struct{}),
	}
}

// Serve hands the poller a configuration, which takes over from the one before.
// Deliveries under way end as they have begun. Fetching begins, if it does not go on.
func (p *Poller) Serve(c Config) {
	p.mu.Lock()
	defer p.mu.Unlock()
	before := p.config
	p.config = c
	if before.API == nil || !c.API.IsSame(before.API) || !slices.Equal(c.AllowedUpdates, before.AllowedUpdates) || p.status.State == Failing {
		p.interrupt() // a call with other parameters, or a pause after an error
	}
	if p.stop != nil {
		p.dispatch()
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	last := p.ended
	p.stop, p.ended = stop, make(chan struct{})
	go p.run(ctx, last, p.ended)
}

// Stop ends fetching. Deliveries under way go on, and no other begins.
func (p *Poller) Stop() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stop != nil {
		p.stop()
		p.stop, p.closed = nil, true
	}
}

// Wait returns when the deliveries that are under way have ended, and after Stop
// when all is confirmed and the lease given back, or when the context ends.
func (p *Poller) Wait(ctx context.Context) {
	if p == nil {
		return
	}
	p.mu.Lock()
	ends := slices.Collect(maps.Values(p.underWay))
	if p.stop == nil && p.ended != nil {
		ends = append(ends, p.ended)
	}
	p.mu.Unlock()
	for _, end := range ends {
		select {
		case <-end:
		case <-ctx.Done():
			return
		}
	}
}

// run fetches until the context ends, once the run before has ended.
func (p *Poller) run(ctx context.Context, before <-chan struct{}, ended chan<- struct{}) {
	defer close(ended)
	if before != nil {
		<-before
	}
	p.open(ctx)
	p.healthy, p.noWebhook = false, false
	renewing, stopRenewing := context.WithCancel(context.Background())
	renewed := make(chan struct{})
	go func() {
		defer close(renewed)
		p.renewLease(renewing)
	}()
	for ctx.Err() == nil {
		p.fetch(ctx)
	}
	p.mu.Lock()
	underWay := slices.Collect(maps.Values(p.underWay))
	p.mu.Unlock()
	for _, end := range underWay { // no other begins
		<-end
	}
	p.confirm()
	p.forget()
	stopRenewing()
	<-renewed
	p.lease.giveBack(p.currentConfig())
	p.setStatus(Status{})
}

// open lets deliveries begin, unless Stop was called meanwhile.
func (p *Poller) open(ctx context.Context) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = ctx.Err() != nil
}

// currentConfig returns the configuration that holds at the moment.
func (p *Poller) currentConfig() Config {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.config
}
