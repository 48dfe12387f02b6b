// Package registrar keeps a bot's webhook registered with Telegram as one
// configuration wants it: once for all nodes that share a storage, and again
// when somebody else has changed it.
package registrar

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
	"golang.org/x/time/rate"

	"github.com/caddy-telegram/telegramwebhook/internal/botapi"
	"github.com/caddy-telegram/telegramwebhook/internal/boundedlog"
	"github.com/caddy-telegram/telegramwebhook/internal/secret"
	"github.com/caddy-telegram/telegramwebhook/internal/storage"
)

// Webhook is what a registrar keeps registered.
type Webhook interface {
	// Wanted returns what Telegram is to have. It is called before each attempt,
	// since a certificate may be renewed. The secret is empty unless the
	// configuration holds it. An error is the configuration's fault.
	Wanted() (botapi.Webhook, error)

	// Observe is called with what is known after each attempt.
	Observe(Status)

	// Emit tells the subscribers of Caddy's events. They take as long as they
	// like, so it is called while no lock is held.
	Emit(event string, data map[string]any)
}

// Config is what a registrar works with.
type Config struct {
	Secrets  secret.Source
	API      *botapi.Client
	Storage  *storage.Storage
	Prefix   string // of the bot's keys in storage, and the name of its lock
	MACKey   []byte // for fingerprints
	Node     Node
	Interval time.Duration   // between comparisons with getWebhookInfo; 0 for none
	Pace     *Pace           // shared by all that call the same server; nil for none
	Begin    <-chan struct{} // closed when the first attempt may begin
	Memory   *Memory
	Logger   *zap.Logger
}

// Memory is what this process knows of a bot's registration. The configurations that serve
// the bot one after another share it. The zero value is an empty memory.
type Memory struct {
	Alone atomic.Bool // no other node takes part, as the record says

	leader atomic.Pointer[Registrar] // that of the latest configuration
	known  atomic.Pointer[record]    // as last read or written; nil if none was
}

// Forget has the next registrar begin anew.
func (m *Memory) Forget() { m.leader.Store(nil) }

// Registrar keeps one webhook registered.
type Registrar struct {
	Config
	webhook Webhook

	cancel  context.CancelFunc
	stopped <-chan struct{} // closed by Stop
	done    chan struct{}   // closed when the last attempt has ended
	late    chan struct{}   // closed when that takes too long after Stop

	orders     chan *placedOrder
	wakeup     chan struct{} // filled to begin an attempt, unless the registrar waits after an error
	suspicious atomic.Bool   // Telegram may have another secret
	suspicion  rate.Sometimes
	called     atomic.Int64 // when setWebhook was, in Unix nanoseconds
	forbidden  atomic.Int64 // when the bot last answered 403 itself, or the start, in Unix nanoseconds

	// The following fields belong to the goroutine that makes the attempts.
	hasTurn        bool           // to call for a bot that may be new to Telegram
	hasAsked       bool           // Telegram has answered getWebhookInfo, at least once
	ownFingerprint string         // of this configuration, as last seen in the record
	rival          record         // of another configuration, as last seen
	order          Order          // which this attempt carries out, if any
	orderers       []*placedOrder // all that wait for that
	rotations      []*placedOrder // those that wait for the rotation that is under way
	waiting        []*placedOrder // those whose attempts have not begun
	backoff        botapi.Backoff // after the last error

	reportedDamage bool   // of the record
	reportedLoss   string // what was found in the webhook's place, and logged
	reportedError  boundedlog.Repeated

	mu     sync.Mutex
	status Status
	rest   *rest // nil while there is something to do
}

// rest is the time between attempts, when the webhook is registered.
type rest struct {
	fingerprint string    // of the configuration
	until       time.Time // zero for ever
}

// Start makes a registrar that works for its bot in the background. When it begins, it
// takes the place of any older one of this process.
func Start(config Config, webhook Webhook) *Registrar {
	ctx, cancel := context.WithCancel(context.Background())
	r := &Registrar{
		Config:    config,
		webhook:   webhook,
		cancel:    cancel,
		stopped:   ctx.Done(),
		done:      make(chan struct{}),
		late:      make(chan struct{}),
		suspicion: rate.Sometimes{Interval: suspicionInterval},
		orders:    make(chan *placedOrder),
		wakeup:    make(chan struct{}, 1),
		status:    Status{State: Pending, Since: time.Now()},
	}
	r.RecordForbidden()
	context.AfterFunc(ctx, func() { time.AfterFunc(stopTimeout, func() { close(r.late) }) })
	go r.run(ctx)
	return r
}

// Stop ends the work; another configuration continues it.
func (r *Registrar) Stop() {
	if r != nil {
		r.cancel()
	}
}

// stopTimeout is a little longer than a call may go on after Stop, so that no other
// node has to wait until a lock is stale.
const stopTimeout = grace + time.Second

// Wait returns when the last attempt has ended after Stop, or when that takes too
// long. Registrars that were stopped together take no longer together.
func (r *Registrar) Wait() {
	if r != nil {
		select {
		case <-r.done:
		case <-r.late:
		}
	}
}

// Status returns what is known.
func (r *Registrar) Status() Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.status
}

// Look has the next attempt made at once, unless the registrar waits after an error.
func (r *Registrar) Look() {
	if r != nil {
		select {
		case r.wakeup <- struct{}{}:
		default:
		}
	}
}

// suspicionInterval bounds how often refused requests lead to a registration.
const suspicionInterval = time.Minute

// Suspect is called when a request from Telegram's own addresses was refused: the
// secret may be out of step. It has an effect at most once a minute.
func (r *Registrar) Suspect() {
	if r != nil {
		r.suspicion.Do(func() {
			r.suspicious.Store(true)
			r.Look()
		})
	}
}

// CalledRecently reports whether setWebhook was called a moment ago.
func (r *Registrar) CalledRecently() bool {
	return r != nil && time.Since(time.Unix(0, r.called.Load())) < 5*time.Second
}
