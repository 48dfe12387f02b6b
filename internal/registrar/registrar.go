// Package registrar keeps a bot's webhook registered with Telegram: once for all nodes that
// share a storage, and again after another program has changed it.
//
//   - machine.go: the state machine, as a table, and which configuration owns the webhook
//   - registrar.go: the registrar, its start and end
//   - attempt.go, actions.go: one walk through the table, and the table's actions
//   - order.go: orders of a person
//   - pace.go: Telegram's limits for many bots
//   - record.go, store.go: the record in storage
//   - orphan.go: records of bots that are no longer configured
//   - report.go: status, log, events and remedies
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
	"github.com/caddy-telegram/telegramwebhook/internal/status"
	"github.com/caddy-telegram/telegramwebhook/internal/storage"
)

// Webhook is what a registrar keeps registered.
type Webhook interface {
	// Wanted returns the parameters to register. It is called before each attempt, since a certificate may be renewed.
	// A kept secret is not in it. An error is the configuration's fault.
	Wanted() (botapi.Webhook, error)

	// Observe is called with the status after each attempt.
	Observe(Status)

	// Emit emits an event. Subscribers may block, so it is called without a lock.
	Emit(event string, data map[string]any)
}

// Config is the configuration of a registrar.
type Config struct {
	Secrets  secret.Source
	API      *botapi.Client
	Storage  *storage.Storage
	Prefix   string // of the bot's keys in storage, and the name of its lock
	MACKey   []byte // for fingerprints
	Node     Node
	Interval time.Duration   // between comparisons with getWebhookInfo; 0 for none
	Pace     *Pace           // shared by the registrars of a Bot API server; nil for none
	Begin    <-chan struct{} // closed when the first attempt may begin
	Memory   *Memory
	Logger   *zap.Logger
}

// Memory is the part of a registration that outlives reloads. The zero value is empty.
type Memory struct {
	Alone atomic.Bool // the record names no other node

	leader atomic.Pointer[Registrar] // that of the latest configuration
	known  atomic.Pointer[record]    // as last read or written; nil if none was
}

// Forget keeps the next registrar from continuing the rest of the last one.
func (m *Memory) Forget() { m.leader.Store(nil) }

// Registrar keeps one webhook registered.
type Registrar struct {
	Config
	webhook Webhook

	cancel  context.CancelFunc
	stopped <-chan struct{} // closed by Stop
	done    chan struct{}   // closed when the last attempt has ended

	orders     chan *placedOrder
	wakeup     chan struct{} // filled to begin an attempt, unless the registrar waits after an error
	suspicious atomic.Bool   // Telegram may have another secret
	suspicion  rate.Sometimes
	called     atomic.Int64 // time of the last setWebhook, in Unix nanoseconds
	forbidden  atomic.Int64 // time of the bot's own last 403, or of the start, in Unix nanoseconds

	// The following fields belong to the goroutine that makes the attempts.
	hasTurn        bool           // of a bot that may be new to Telegram
	hasAsked       bool           // Telegram has answered getWebhookInfo once
	ownFingerprint string         // of this configuration, as last seen in the record
	rival          record         // of another configuration, as last seen
	order          Order          // of this attempt, if any
	orderers       []*placedOrder // that share it
	rotations      []*placedOrder // that wait for the rotation under way
	waiting        []*placedOrder // for another attempt
	backoff        botapi.Backoff // after the last error

	reportedDamage bool   // of the record
	reportedLoss   string // the webhook that was found and logged
	reportedError  boundedlog.Repeated

	mu     sync.Mutex
	status Status

	// restsUntil is the end of the pause between two attempts, zero unless the webhook is
	// registered and there is nothing to do.
	restsUntil time.Time
}

// Start starts a registrar in the background. When it begins, it takes over from the older one of this process.
func Start(config Config, webhook Webhook) *Registrar {
	ctx, cancel := context.WithCancel(context.Background())
	r := &Registrar{
		Config:    config,
		webhook:   webhook,
		cancel:    cancel,
		stopped:   ctx.Done(),
		done:      make(chan struct{}),
		suspicion: rate.Sometimes{Interval: suspicionInterval},
		orders:    make(chan *placedOrder),
		wakeup:    make(chan struct{}, 1),
		status:    Status{Webhook: status.Webhook{State: status.Pending, Since: time.Now()}},
	}
	r.RecordForbidden()
	go r.run(ctx)
	return r
}

// Stop ends the attempts. Wait waits for the last one.
func (r *Registrar) Stop() {
	if r != nil {
		r.cancel()
	}
}

// StopTimeout is a little longer than a call may take after Stop, so that the lock is
// released and no other node waits until it is stale.
const StopTimeout = grace + time.Second

// Wait waits after Stop for the end of the last attempt, or until the context ends.
func (r *Registrar) Wait(ctx context.Context) {
	if r != nil {
		select {
		case <-r.done:
		case <-ctx.Done():
		}
	}
}

// Status returns the status.
func (r *Registrar) Status() Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.status
}

// Look starts the next attempt at once, unless the registrar waits after an error.
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
