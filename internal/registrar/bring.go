package registrar

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-telegram/telegramwebhook/internal/botapi"
)

// errConfiguration marks what only another configuration can mend.
var errConfiguration = errors.New("")

// bring brings Telegram to what is wanted, if it is not there already. All of it
// happens under the bot's lock, and after a fresh look at the record.
func (r *Registrar) bring(ctx context.Context) (Status, error) {
	status := Status{State: Registered, Info: r.Status().Info}
	want, err := r.Webhook()
	if err != nil {
		return status, fmt.Errorf("%w%w", errConfiguration, err)
	}
	unlock, err := r.lock(ctx)
	if err != nil {
		return status, err
	}
	defer unlock()

	if !r.Bot.Leads(r) {
		return status, nil
	}
	rec, err := r.load(ctx)
	if err != nil {
		return status, err
	}
	sum := fingerprint(r.MACKey, want)
	switch {
	case rec.Fingerprint == sum:
		r.owned = sum
		err = r.keep(ctx, want, &rec, &status)
	case r.superseded(rec, sum):
		r.suspect.Store(false) // the other configuration has another secret, perhaps
		status.State = Superseded
		status.Detail = fmt.Sprintf("node %s has registered another configuration, with %s", rec.Process, rec.URL)
	default:
		err = r.replace(ctx, want, &rec, &status)
	}
	return status, err
}

// keep looks whether Telegram still has what was registered, unless another node
// has just looked, and registers it again if not.
func (r *Registrar) keep(ctx context.Context, want botapi.Webhook, rec *record, status *Status) (err error) {
	suspect := r.suspect.Swap(false) && !within(rec.RegisteredAt, suspicionInterval)
	defer func() {
		if suspect && err != nil && status.Result != "ok" {
			r.suspect.Store(true)
		}
	}()
	if r.looked && !suspect && rec.Process != r.Node.Process && within(rec.CheckedAt, r.Interval/5*4) {
		status.contest(rec.Contested)
		return nil
	}
	if err := r.look(ctx, status); err != nil {
		return err
	}
	rec.lookedAt(r.Node)
	rec.Contested = ""
	switch changed := !rec.unchanged(status.Info, want); {
	case !changed && !suspect:
		r.lost = ""
		rec.see(status.Info)
		return r.save(ctx, *rec)
	case changed:
		r.tellLost(want, status.Info)
		if !rec.repair() {
			rec.Contested = found(status.Info.URL)
			status.contest(rec.Contested)
			return r.save(ctx, *rec)
		}
	}
	return r.register(ctx, want, rec, status)
}

// replace registers a new configuration. It asks first what there is: if that
// cannot be had, nor can a registration be, which might break off half-way.
func (r *Registrar) replace(ctx context.Context, want botapi.Webhook, rec *record, status *Status) error {
	if err := r.look(ctx, status); err != nil {
		return err
	}
	r.suspect.Store(false)
	return r.register(ctx, want, rec, status)
}

// look asks what Telegram has.
func (r *Registrar) look(ctx context.Context, status *Status) error {
	info, err := r.API.GetWebhookInfo(ctx)
	if err == nil {
		r.looked, status.Info = true, info
	}
	return err
}

// register calls setWebhook, and takes down what Telegram has then.
func (r *Registrar) register(ctx context.Context, want botapi.Webhook, rec *record, status *Status) (err error) {
	if status.Result, err = r.call(ctx, want); err != nil {
		return err
	}
	r.owned, r.lost = fingerprint(r.MACKey, want), ""
	rec.registered(r.owned, want, r.Node)
	if info, err := r.API.GetWebhookInfo(ctx); err == nil && info.URL == want.URL {
		rec.see(info)
		status.Info = info
	}
	return r.save(ctx, *rec)
}

// superseded reports whether another configuration has taken over from the one
// of that fingerprint, which was registered before. One that was never
// registered here is new, and takes over itself.
func (r *Registrar) superseded(rec record, sum string) bool {
	switch {
	case rec.Fingerprint == "": // lost: those whose registration it was make it anew
		return r.owned == sum && r.Status().State == Superseded
	case r.owned == sum:
		return true
	}
	// After a restart or reload only the record knows. It is not believed for
	// ever: the nodes with the newer configuration may be gone for good.
	return rec.had(r.Node, sum) && within(rec.CheckedAt, 2*r.Interval)
}

// load reads the record, or takes the one that could not be written.
func (r *Registrar) load(ctx context.Context) (record, error) {
	rec, err := r.store.load(ctx)
	damaged := errors.Is(err, errDamaged)
	if damaged {
		if !r.damaged {
			r.Logger.Error("record in storage damaged; it is replaced", zap.String("key", r.store.key()))
		}
		err = nil
	}
	r.damaged = damaged
	if r.unsaved != nil && !rec.RegisteredAt.After(r.unsaved.RegisteredAt) {
		rec = *r.unsaved
	}
	return rec, err
}

// save writes the record. One that cannot be written is remembered, so that a
// storage that is read-only or full does not make every attempt a registration.
func (r *Registrar) save(ctx context.Context, rec record) error {
	ctx, cancel := beyond(ctx)
	defer cancel()
	err := r.store.save(ctx, rec)
	r.unsaved = nil
	if err != nil {
		r.unsaved = &rec
	}
	return err
}

// call calls setWebhook, and says what it came to.
func (r *Registrar) call(ctx context.Context, want botapi.Webhook) (result string, err error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	ctx, cancel := beyond(ctx)
	defer cancel()
	err = r.API.SetWebhook(ctx, want)
	if refusal, ok := errors.AsType[*botapi.Error](err); ok {
		return strconv.Itoa(refusal.Code), err
	}
	if err != nil {
		return "unreachable", err
	}
	r.Logger.Info("webhook registered", zap.String("url", want.URL))
	r.tell("registered", map[string]any{"url": want.URL})
	return "ok", nil
}

// grace is how long what is being done may go on when a configuration ends.
const grace = 2 * time.Second

// beyond returns a context that outlasts another by a moment: a call of
// setWebhook is not broken off, of which nobody would know what it came to, and
// what it came to is written down.
func beyond(ctx context.Context) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(grace, cancel) })
	return longer, func() { stop(); cancel() }
}
