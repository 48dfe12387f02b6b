// Package poll fetches a bot's updates with getUpdates and hands them to its webhook,
// for a machine without a public address.
//
//   - poll.go: the poller, its start and end
//   - fetch.go: getUpdates, and obstacles to it
//   - window.go: the updates that are fetched and not confirmed, their order, and their deliveries
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
	"github.com/caddy-telegram/telegramwebhook/internal/status"
	"github.com/caddy-telegram/telegramwebhook/internal/storage"
	"github.com/caddy-telegram/telegramwebhook/internal/telegram"
)

// Webhook receives the updates.
type Webhook interface {
	// Deliver hands an update to the bot through the site, and returns the answer as
	// Telegram would read it, within telegram.Timeout.
	Deliver(update []byte) *telegram.Answer

	// Emit emits an event. Subscribers may block, so it is called without a lock.
	Emit(event string, data map[string]any)
}

// Config is the part of a configuration that the poller needs.
type Config struct {
	Webhook        Webhook
	API            *botapi.Client
	Storage        *storage.Storage
	Prefix         string   // of the bot's keys in storage
	Process        string   // this process, for the lease
	AllowedUpdates []string // always sent; empty for Telegram's default
	MaxConnections int      // of deliveries under way; 0 for Telegram's default
	Logger         *zap.Logger
}

// Poller fetches the updates of one bot for this process. It outlives reloads, which hand it another Config.
type Poller struct {
	progress chan struct{} // filled when another call is likely to fetch more
	lease    lease
	failures rate.Sometimes // bounds the reports of failed deliveries

	// The following fields belong to the goroutine that fetches.
	offset     int64     // confirms all updates before it
	confirmed  int64     // the offset that Telegram has
	conflictAt time.Time // when another program last fetched
	backoff    botapi.Backoff
	reported   boundedlog.Repeated // the last error

	mu        sync.Mutex
	config    Config
	status    Status
	serving   bool               // between Serve and Stop: updates are fetched, and deliveries begin
	ended     chan struct{}      // closed when run has ended; nil if it does not run
	interrupt context.CancelFunc // ends the attempt under way and the pause after it
	window    []*update
	crowded   bool // the window is full of failing updates, which was logged
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

// Serve gives the poller a configuration, and starts fetching if it has not begun. Deliveries
// under way keep their old configuration.
func (p *Poller) Serve(c Config) {
	p.mu.Lock()
	defer p.mu.Unlock()
	before := p.config
	if !p.serving || !c.API.IsSame(before.API) || !slices.Equal(c.AllowedUpdates, before.AllowedUpdates) || p.status.State == status.Failing {
		p.interrupt() // a call with other parameters, or a pause after an error
	}
	p.config, p.serving = c, true
	if p.ended == nil {
		p.ended = make(chan struct{})
		go p.run()
	}
	p.dispatch()
}

// Stop ends fetching. Deliveries under way continue, and no other begins.
func (p *Poller) Stop() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.serving = false
	p.interrupt()
}

// Wait waits after Stop until the deliveries have ended and are confirmed and the lease is
// released, or until the context ends.
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

// run fetches until Stop, waits for the deliveries, and releases the lease. It starts again if
// Serve is called meanwhile.
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
		p.releaseLease()
		p.setStatus(Status{})
	}
}

// isDone reports whether fetching is stopped and no delivery is under way. It then empties the
// window: the next poller fetches these updates again.
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

// hasEnded reports whether run has to end, and lets the next Serve start it again.
func (p *Poller) hasEnded() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.serving {
		close(p.ended)
		p.ended = nil
	}
	return !p.serving
}

// currentConfig returns the latest configuration.
func (p *Poller) currentConfig() Config {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.config
}
