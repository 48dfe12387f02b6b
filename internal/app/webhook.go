package app

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/caddy-telegram/telegramwebhook/internal/certificate"
	"github.com/caddy-telegram/telegramwebhook/internal/deliver"
	"github.com/caddy-telegram/telegramwebhook/internal/metrics"
	"github.com/caddy-telegram/telegramwebhook/internal/registrar"
	"github.com/caddy-telegram/telegramwebhook/internal/secret"
	"github.com/caddy-telegram/telegramwebhook/internal/site"
	"github.com/caddy-telegram/telegramwebhook/internal/status"
)

// Settings are a handler's settings for its webhook.
type Settings struct {
	Name         string        // as configured; empty for the default
	Secrets      secret.Source // the configured ones; nil for kept secrets
	Rotate       time.Duration // of kept secrets
	Grace        time.Duration
	Accept       *secret.Configured // besides kept secrets; nil for none
	Dedupe       int                // how many updates to remember; 0 for none
	Registration *Registration      // nil without a bot token
	Files        []secret.File      // that hold secrets or the token
	Results      []string           // what a request can come to, for the metrics
}

// Webhook is one webhook of a configuration. It has several gates if Caddy has
// provisioned one directive on several servers.
type Webhook struct {
	Secrets secret.Source

	settings Settings
	app      *App
	ctx      caddy.Context // of the first gate
	logger   *zap.Logger
	config   string // the handler's JSON
	gates    []gate
	known    func() identity       // once all routes are provisioned
	updates  func() *deliver.Table // nil without dedupe
	bot      *bot                  // nil without a bot token

	mu   sync.Mutex
	held []string // keys of the bots to release

	// The following is known once the configuration runs.
	location  atomic.Pointer[location]
	registrar atomic.Pointer[registrar.Registrar]
	uploads   certificate.Watch

	refusal     atomic.Pointer[refusal] // nil unless the bot has refused the last update that it answered
	warnRefusal sync.Once
}

// gate is one handler of a webhook.
type gate struct {
	site.Gate
	server *caddyhttp.Server
}

// identity holds the facts that depend on the places of the gates.
type identity struct {
	name     string
	metrics  *metrics.Webhook
	underWay *atomic.Int64 // updates that the bot works on
}

// Join adds the handler that is being provisioned with ctx to the configuration. Handlers of equal settings on
// different servers, as Caddy makes them of one directive in a site with several addresses, are gates of one webhook.
func (a *App) Join(ctx caddy.Context, handler site.Gate, settings Settings) (*Webhook, *caddyhttp.Server, error) {
	server, ok := ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	if !ok {
		return nil, nil, errors.New("telegram_webhook works only in the routes of an HTTP server")
	}
	config, err := json.Marshal(handler)
	if err != nil {
		return nil, nil, err
	}
	a.front.AddGate(server)
	for _, w := range a.webhooks {
		if w.config == string(config) && w.claimsSomething() && !w.standsOn(server) {
			w.gates = append(w.gates, gate{handler, server})
			return w, server, nil
		}
	}
	w := &Webhook{
		Secrets: settings.Secrets, settings: settings,
		app: a, ctx: ctx, logger: ctx.Logger(), config: string(config), gates: []gate{{handler, server}},
	}
	w.known = sync.OnceValue(w.identify)
	if err := a.claim(w); err != nil {
		return nil, nil, err
	}
	w.rememberUpdates(server)
	server.RegisterOnStop(w.afterShutdown)
	a.webhooks = append(a.webhooks, w)
	return w, server, nil
}

// claimsSomething reports whether the webhook needs a claim that no other may have.
func (w *Webhook) claimsSomething() bool {
	return w.settings.Name != "" || w.settings.Registration != nil
}

func (w *Webhook) standsOn(server *caddyhttp.Server) bool {
	return slices.ContainsFunc(w.gates, func(g gate) bool { return g.server == server })
}

// claim gives a new webhook its name, its bot and its address, as far as the configuration tells them.
func (a *App) claim(w *Webhook) error {
	if w.settings.Name != "" {
		if err := a.claims.claimName(w.settings.Name, w); err != nil {
			return err
		}
	}
	r := w.settings.Registration
	if r == nil {
		return nil
	}
	if err := a.claims.claimBot(w); err != nil {
		return err
	}
	if site.IsAddress(r.URL) { // others are tried when the configuration runs
		if err := a.claims.claimAddress(r.URL, w); err != nil {
			return err
		}
	}
	w.bot = w.use(r.Account.Key())
	if w.Secrets == nil {
		w.Secrets = &secret.Kept{
			Storage: storageOf(w.app.ctx), Prefix: r.Account.Key(), Memory: &w.bot.secrets, Alone: &w.bot.registration.Alone,
			Every: w.settings.Rotate, Grace: w.settings.Grace, Accept: w.settings.Accept,
			Logger:  w.logger.With(zap.String("name", cmp.Or(w.settings.Name, r.Account.ID()))),
			Missing: func() { w.registrar.Load().Look() },
		}
	}
	return nil
}

// use returns the state of the bot with that key, which stays in use until release.
func (w *Webhook) use(key string) *bot {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.held = append(w.held, key)
	return useBot(key)
}

func (w *Webhook) release(ctx context.Context) {
	w.registrar.Load().Wait(ctx)
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, key := range w.held {
		releaseBot(key)
	}
	w.held = nil
}

// identify finds the name: as configured, the bot's id, or the first host and path.
func (w *Webhook) identify() identity {
	name := cmp.Or(w.settings.Name, w.BotID())
	if name == "" {
		g, place := w.main()
		name = cmp.Or(append([]string{place.String()}, g.server.Listen...)...)
		if name == status.ReadyName {
			name += "/" // the host alone
		}
	}
	underWay, _ := process.underWay.LoadOrStore(name, new(atomic.Int64))
	return identity{name, metrics.For(name, w.settings.Results), underWay.(*atomic.Int64)}
}

// Name is the webhook's name in logs, metrics and the admin API.
func (w *Webhook) Name() string { return w.known().name }

// NameField is the name in a log entry.
func (w *Webhook) NameField() zap.Field { return zap.String("name", w.Name()) }

// Metrics counts the webhook's requests.
func (w *Webhook) Metrics() *metrics.Webhook { return w.known().metrics }

// CurrentSecret returns the secret that is registered, as the header's values; none if it is not known.
func (w *Webhook) CurrentSecret() []string {
	if current := w.Secrets.Current(); current != "" {
		return []string{current}
	}
	return nil
}

// BotID is the bot's id; empty without a bot token.
func (w *Webhook) BotID() string {
	if w.settings.Registration == nil {
		return ""
	}
	return w.settings.Registration.Account.ID()
}

// String names the webhook in the error of another webhook with the same claim.
func (w *Webhook) String() string {
	if w.settings.Registration == nil {
		return w.settings.Name
	}
	return strings.TrimSuffix("bot "+w.BotID()+", "+w.settings.Name, ", ")
}

// start starts the work in the background.
func (w *Webhook) start() {
	if w.settings.Name == "" {
		if err := w.app.claims.claimName(w.Name(), w); err != nil {
			w.logger.Warn("duplicate webhook name", w.NameField(), zap.String("remedy", `set "name" on one of the two`))
		}
	}
	w.warnOfPlaces()
	if w.updates != nil {
		w.updates()
	}
	found := w.findAddress()
	w.location.Store(&found)
	confirmed := make(chan struct{})
	if w.settings.Registration != nil && !w.polls() {
		w.startRegistrar(confirmed)
	}
	go w.confirmAddress(confirmed)
}

// stop ends it. A poller goes on for the next configuration.
func (w *Webhook) stop() {
	w.registrar.Load().Stop()
	if w.polls() && caddy.Exiting() {
		w.bot.poller.Stop()
	}
}
