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
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"
	"golang.org/x/time/rate"

	"github.com/caddy-telegram/telegramwebhook/internal/botapi"
	"github.com/caddy-telegram/telegramwebhook/internal/boundedlog"
	"github.com/caddy-telegram/telegramwebhook/internal/storage"
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
	Storage        *storage.Storage
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
	failures rate.Sometimes // bounds how often failed deliveries are reported

	// The following fields belong to the goroutine that fetches.
	offset     int64     // confirms all updates before it
	confirmed  int64     // the offset that Telegram has
	conflictAt time.Time // when somebody else last fetched
	backoff    botapi.Backoff
	reported   boundedlog.Repeated // why updates are not fetched

	mu        sync.Mutex
	config    Config
	status    Status
	serving   bool               // between Serve and Stop: updates are fetched, and deliveries begin
	ended     chan struct{}      // closed when everything after Stop is done; nil if nothing runs
	interrupt context.CancelFunc // ends the attempt under way and the pause after it
	window    []*update
	crowded   bool // the window is full of what fails, which was logged
	underWay  int  // deliveries
}

// New returns a poller that does nothing yet.
func New() *Poller {
	return &Poller{
		progress:  make(chan struct{}, 1),
		lease:     lease{turn: make(chan struct{}, 1)},
		failures:  rate.Sometimes{Interval: 5 * time.Minute},
		interrupt: func() {},
	}
}

// Serve hands the poller a configuration, which takes over from the one before.
// Deliveries under way end as they have begun. Fetching begins, if it does not go on.
func (p *Poller) Serve(c Config) {
	p.mu.Lock()
	defer p.mu.Unlock()
	before := p.config
	if !p.serving || !c.API.IsSame(before.API) || !slices.Equal(c.AllowedUpdates, before.AllowedUpdates) || p.status.State == Failing {
		p.interrupt() // a call with other parameters, or a pause after an error
	}
	p.config, p.serving = c, true
	if p.ended == nil {
		p.ended = make(chan struct{})
		go p.run()
	}
	p.dispatch()
}

// Stop ends fetching. Deliveries under way go on, and no other begins.
func (p *Poller) Stop() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.serving = false
	p.interrupt()
}

// Wait returns after Stop when the deliveries have ended, all is confirmed and the lease
// given back, or when the context ends.
func (p *Poller) Wait(ctx context.Context) {
	if p == nil {
		return
	}
	p.mu.Lock()
	ended := p.ended
	idle := p.serving || ended == nil
	p.mu.Unlock()
	if idle {
		return
	}
	select {
	case <-ended:
	case <-ctx.Done():
	}
}

// run fetches until Stop, and then brings everything to its end. It goes on if Serve is
// called meanwhile.
func (p *Poller) run() {
	for !p.hasEnded() {
		ctx, cancel := context.WithCancel(context.Background())
		var renewing sync.WaitGroup
		renewing.Go(func() { p.renewLease(ctx) })
		for !p.isDone() {
			p.fetch()
		}
		p.confirm()
		cancel()
		renewing.Wait()
		p.giveBack()
		p.setStatus(Status{})
	}
}

// isDone reports whether nothing is to be fetched and no delivery is under way. Then it
// leaves what was not taken to whoever fetches next.
func (p *Poller) isDone() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.serving || p.underWay > 0 {
		return false
	}
	p.dropTaken()
	p.window = nil
	return true
}

// hasEnded reports whether Serve was not called since Stop. Then the next call of it begins anew.
func (p *Poller) hasEnded() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.serving {
		close(p.ended)
		p.ended = nil
	}
	return !p.serving
}

// currentConfig returns the configuration that holds at the moment.
func (p *Poller) currentConfig() Config {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.config
}
