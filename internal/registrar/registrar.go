// Package registrar keeps a bot's webhook registered with Telegram as one
// configuration wants it: once for all nodes that share a storage, and again
// when somebody else has changed it.
package registrar

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"

	"github.com/caddy-telegram/telegramwebhook/internal/botapi"
	"github.com/caddy-telegram/telegramwebhook/internal/secret"
)

// API is the part of the Bot API that a registrar needs.
type API interface {
	SetWebhook(context.Context, botapi.Webhook) error
	GetWebhookInfo(context.Context) (botapi.WebhookInfo, error)
	DeleteWebhook(ctx context.Context, dropPendingUpdates bool) error
}

// Secrets is the part of a secret.Source that a registrar needs.
type Secrets interface {
	Advance(ctx context.Context, rotate bool) (value string, again time.Duration, err error)
	Registered(ctx context.Context, value string, failure error) (rotated bool, err error)
	Status() secret.Status
}

// Config is what a registrar works with.
type Config struct {
	// Secrets says which secret is to be registered, under the bot's lock.
	Secrets Secrets

	API     API
	Storage certmagic.Storage
	Prefix  string // the bot's keys in storage, and its lock
	MACKey  []byte // keys the fingerprint
	Node    Node

	// Interval between comparisons with getWebhookInfo; 0 for none.
	Interval time.Duration

	// Pace is shared by all registrars that call the same server; nil if that
	// takes any number of new bots.
	Pace *Pace

	Leadership *Leadership
	Logger     *zap.Logger
}

// Webhook is what a registrar keeps registered.
type Webhook interface {
	// Wanted says what is wanted. It is asked before every attempt, since a
	// certificate may be renewed. Its secret is empty unless the configuration
	// holds it. Its error is the configuration's fault.
	Wanted() (botapi.Webhook, error)

	// Observe is told what is known after each attempt, for metrics.
	Observe(Status)

	// Emit tells subscribers of Caddy's events. They take as long as they like,
	// so it is called while no lock is held.
	Emit(event string, data map[string]any)
}

// State is how a registration stands.
type State string

// The states of a registration.
const (
	Pending    State = "pending"    // no attempt has ended yet
	Registered State = "registered" // Telegram has what is wanted
	Failing    State = "failing"    // the last attempt failed; it is tried again
	Contested  State = "contested"  // somebody else registers the same bot
	Superseded State = "superseded" // another configuration has taken over
	Deleted    State = "deleted"    // a person has deleted it, and it stays so until told
)

// Status is what is known of a registration.
type Status struct {
	State  State
	Since  time.Time
	Detail string             // what went wrong, if anything
	Remedy string             // what a person can do about it
	Result string             // what setWebhook came to in this attempt; empty if it was not called
	Info   botapi.WebhookInfo // as Telegram last told it
	InfoAt time.Time          // when that was

	// What is registered, by whom and when, as all nodes know it.
	URL          string
	RegisteredBy string
	RegisteredAt time.Time

	found      string // what a contested webhook has in its place
	failedAnew bool   // Telegram has met an error that no node has told of yet
}

// told takes down what Telegram says, for this node and all others.
func (s *Status) told(info botapi.WebhookInfo, rec *record) {
	s.Info, s.InfoAt = info, time.Now()
	rec.Told, rec.ToldAt = &info, s.InfoAt
}

// contest makes it contested, if something was found.
func (s *Status) contest(found string) {
	if found != "" {
		s.State, s.Detail, s.found = Contested, "somebody else registers this bot with "+found, found
	}
}

// Registrar keeps one registration.
type Registrar struct {
	Config
	webhook Webhook
	store   store

	kick     chan struct{}
	ordered  chan struct{} // filled while orders wait
	stopped  chan struct{} // closed when Run is to end
	suspect  atomic.Bool   // Telegram may hold another secret
	lastKick atomic.Int64  // when it was last suspected, in nanoseconds since start
	start    time.Time

	// What follows is the goroutine's own.
	looked  bool          // Telegram has been asked at least once
	follows bool          // by the registrar before, which stands for the first look
	owned   string        // the fingerprint of its registration that it last saw in the record
	unsaved *record       // what storage did not take
	asked   *order        // what the attempt is made for; nil if nobody has asked
	again   time.Duration // when the secret asks for another attempt; 0 for never
	damaged bool          // the record is, and that is told
	lost    string        // what was found in the webhook's place, and is told
	told    errorTold
	events  []event // to be emitted
	backoff backoff

	mu       sync.Mutex
	status   Status
	waiting  []*order // whose attempts have not begun
	rotation *order   // the rotation that was ordered and is under way
}

// New makes a registrar; Run starts it.
func New(config Config, webhook Webhook) *Registrar {
	return &Registrar{
		Config:  config,
		webhook: webhook,
		store:   store{storage: config.Storage, prefix: config.Prefix},
		kick:    make(chan struct{}, 1),
		ordered: make(chan struct{}, 1),
		stopped: make(chan struct{}),
		start:   time.Now(),
		status:  Status{State: Pending, Since: time.Now()},
	}
}

// Status returns what is known.
func (r *Registrar) Status() Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.status
}

// suspicionInterval bounds how often refused requests lead to a registration.
const suspicionInterval = time.Minute

// Suspect is told that a request from Telegram's own addresses was refused: the
// secret may be out of step. It costs next to nothing, and has an effect at most
// once a minute, however often it is called.
func (r *Registrar) Suspect() {
	now := int64(time.Since(r.start)) + 1
	last := r.lastKick.Load()
	if last != 0 && now-last < int64(suspicionInterval) || !r.lastKick.CompareAndSwap(last, now) {
		return
	}
	r.suspect.Store(true)
	r.Kick()
}

// Kick makes the registrar look at once, unless it waits after an error.
func (r *Registrar) Kick() {
	select {
	case r.kick <- struct{}{}:
	default:
	}
}
