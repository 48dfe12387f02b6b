package registrar

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-telegram/telegramwebhook/internal/botapi"
)

// errConfiguration marks what only another configuration can mend.
var errConfiguration = errors.New("")

// bring brings Telegram to what is wanted, if it is not there already. All of it
// happens under the bot's lock, and after a fresh look at the record.
func (r *Registrar) bring(ctx context.Context) (Status, error) {
	want, err := r.Webhook()
	if err != nil {
		return Status{}, fmt.Errorf("%w%w", errConfiguration, err)
	}
	unlock, err := r.lock(ctx)
	if err != nil {
		return Status{}, err
	}
	defer unlock()

	if !r.Bot.Leads(r) {
		return Status{State: Superseded, Detail: "a newer configuration of this process has taken over"}, nil
	}
	rec, err := r.load(ctx)
	if err != nil {
		return Status{}, err
	}
	sum := fingerprint(r.MACKey, want)
	mine := rec.Fingerprint == sum
	if r.owned && !mine && rec.Fingerprint != "" {
		return Status{State: Superseded, Detail: fmt.Sprintf("node %s has registered another configuration, with %s", rec.Node, rec.URL)}, nil
	}
	r.owned = r.owned || mine

	suspect := r.suspect.Swap(false)
	if suspect && mine && within(rec.RegisteredAt, suspicionInterval) {
		suspect = false // another node has just done it
	}
	if r.looked && mine && !suspect && rec.Node != r.Node && within(rec.CheckedAt, r.Interval*4/5) {
		return Status{State: Registered}, nil // another node has just looked
	}

	info, err := r.API.GetWebhookInfo(ctx)
	if err != nil {
		r.suspect.Store(r.suspect.Load() || suspect)
		return Status{}, err
	}
	r.looked = true
	status := Status{State: Registered, Info: info}
	rec.Node, rec.CheckedAt = r.Node, time.Now()
	if mine && !suspect && rec.unchanged(info, want) {
		return status, r.save(ctx, rec.with(info))
	}
	if mine && !rec.unchanged(info, want) {
		r.Logger.Warn("webhook lost: somebody else has changed it", zap.String("url", want.URL), zap.String("found", found(info.URL)))
		r.Emit("lost", map[string]any{"url": want.URL, "found": info.URL})
		if !r.Bot.Repair() {
			status.State, status.Detail = Contested, "somebody else registers this bot with "+found(info.URL)
			return status, r.save(ctx, rec)
		}
	}

	if status.Result, err = r.register(ctx, want); err != nil {
		return status, err
	}
	rec.Fingerprint, rec.URL, rec.RegisteredAt, rec.Seen = sum, want.URL, time.Now(), nil
	r.owned = true
	if info, err := r.API.GetWebhookInfo(ctx); err == nil && info.URL == want.URL {
		rec, status.Info = rec.with(info), info
	}
	return status, r.save(ctx, rec)
}

// load reads the record, or takes the one that could not be written.
func (r *Registrar) load(ctx context.Context) (record, error) {
	rec, err := r.store.load(ctx)
	if errors.Is(err, errDamaged) {
		r.Logger.Error("record in storage damaged; it is replaced", zap.String("key", r.store.key()))
		err = nil
	}
	if r.unsaved != nil && !rec.RegisteredAt.After(r.unsaved.RegisteredAt) {
		rec = *r.unsaved
	}
	return rec, err
}

// save writes the record. One that cannot be written is remembered, so that a
// storage that is read-only or full does not make every attempt a registration.
func (r *Registrar) save(ctx context.Context, rec record) error {
	err := r.store.save(ctx, rec)
	r.unsaved = nil
	if err != nil {
		r.unsaved = &rec
	}
	return err
}

func found(url string) string {
	if url == "" {
		return "no webhook at all"
	}
	return url
}

// lockWait bounds the wait for the lock. A holder that was killed leaves one
// that goes stale, with file storage after 10 seconds; but another process that
// held it shortly before may keep it fresh for ever. Going on without it is
// better than waiting: at worst two nodes call setWebhook, with the same values.
const lockWait = 20 * time.Second

// lock takes the bot's lock and returns what gives it back, also when the
// context has ended by then.
func (r *Registrar) lock(ctx context.Context) (func(), error) {
	waiting, cancel := context.WithTimeout(ctx, lockWait)
	defer cancel()
	err := r.Storage.Lock(waiting, r.store.lock())
	switch {
	case err == nil:
		return func() {
			if err := r.Storage.Unlock(context.WithoutCancel(ctx), r.store.lock()); err != nil {
				r.Logger.Error("lock in storage not released", zap.Error(err))
			}
		}, nil
	case waiting.Err() != nil && ctx.Err() == nil:
		r.Logger.Warn("lock in storage held too long; going on without it", zap.Duration("waited", lockWait))
		return func() {}, nil
	}
	return nil, fmt.Errorf("waiting for the lock in storage: %w", err)
}

// register calls setWebhook, and says what it came to.
func (r *Registrar) register(ctx context.Context, want botapi.Webhook) (result string, err error) {
	err = r.API.SetWebhook(ctx, want)
	if refusal, ok := errors.AsType[*botapi.Error](err); ok {
		return fmt.Sprint(refusal.Code), err
	}
	if err != nil {
		return "unreachable", err
	}
	r.Logger.Info("webhook registered", zap.String("url", want.URL))
	r.Emit("registered", map[string]any{"url": want.URL})
	return "ok", nil
}
