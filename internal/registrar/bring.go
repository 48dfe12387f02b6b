package registrar

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"go.uber.org/zap"

	"github.com/caddy-telegram/telegramwebhook/internal/botapi"
)

// errConfiguration marks what only another configuration can mend.
var errConfiguration = errors.New("")

// bring brings Telegram to what is wanted, if it is not there already. All of it
// happens under the bot's lock, and after a fresh look at the record.
func (r *Registrar) bring(ctx context.Context) (status Status, err error) {
	status = r.Status()
	status.State, status.Detail, status.Remedy, status.Result = Registered, "", "", ""
	status.found, status.failedAnew = "", false
	want, err := r.webhook.Wanted()
	if err != nil {
		return status, fmt.Errorf("%w%w", errConfiguration, err)
	}
	unlock, err := r.lock(ctx)
	if err != nil {
		return status, err
	}
	defer unlock()

	if !r.Leadership.Leads(r) {
		return status, nil
	}
	rec, err := r.load(ctx)
	if err != nil {
		return status, err
	}
	if rec.Told != nil && rec.ToldAt.After(status.InfoAt) {
		status.Info, status.InfoAt = *rec.Told, rec.ToldAt // another node has asked
	}
	g := goal{Webhook: want, sum: fingerprint(r.MACKey, want)}
	mine := rec.Fingerprint == g.sum
	asked := look
	if r.asked != nil {
		asked = r.asked.do
	}
	defer func() {
		status.URL, status.RegisteredBy, status.RegisteredAt = rec.URL, rec.RegisteredBy, rec.RegisteredAt
	}()
	switch {
	case asked == remove:
		err = r.remove(ctx, g.sum, &rec, &status)
		return status, err
	case asked != register && mine && rec.Deleted:
		r.owned, r.again, status.State = g.sum, 0, Deleted
		return status, nil
	case asked != register && !mine && r.superseded(rec, g.sum):
		r.again = 0
		r.suspect.Store(false) // the other configuration has another secret, perhaps
		status.State = Superseded
		status.Detail = fmt.Sprintf("node %s has registered another configuration, with %s", rec.Process, rec.URL)
		if rec.Deleted {
			status.Detail = fmt.Sprintf("node %s, which has another configuration, has deleted the webhook on demand", rec.Process)
		}
		return status, nil
	}
	var trouble error // with the secret, which keeps nothing else from being done
	if g.Secret, r.again, trouble = r.Secrets.Advance(ctx, asked == rotate); g.Secret == "" {
		return status, trouble
	}
	g.secretSum = fingerprint(r.MACKey, botapi.Webhook{Secret: g.Secret})
	if mine {
		r.owned = g.sum
	}
	if asked != register && mine && rec.Secret == g.secretSum {
		err = r.keep(ctx, g, &rec, &status)
	} else {
		err = r.replace(ctx, g, &rec, &status)
	}
	if err == nil {
		err = r.confirm(ctx, g.Secret)
	}
	return status, cmp.Or(err, trouble)
}

// goal is what Telegram is to have.
type goal struct {
	botapi.Webhook
	sum       string // of the configuration: without a secret that it does not hold
	secretSum string
}

// keep looks whether Telegram still has what was registered, unless another node
// or the configuration before has just looked, and registers it again if not.
func (r *Registrar) keep(ctx context.Context, g goal, rec *record, status *Status) (err error) {
	suspect := r.suspect.Swap(false) && !within(rec.RegisteredAt, suspicionInterval)
	defer func() {
		if suspect && err != nil && status.Result != "ok" {
			r.suspect.Store(true)
		}
	}()
	others := rec.Process != r.Node.Process || r.follows
	r.follows = false
	if r.looked && !suspect && others && within(rec.CheckedAt, r.Interval/5*4) {
		status.contest(rec.Contested)
		return nil
	}
	if err := r.look(ctx, rec, status); err != nil {
		return err
	}
	suspect = suspect || refused(status.Info, rec)
	rec.lookedAt(r.Node)
	switch changed := !rec.unchanged(status.Info, g.Webhook); {
	case !changed && !suspect:
		r.lost, rec.Contested = "", ""
		rec.see(status.Info)
		return r.save(ctx, *rec)
	case changed:
		r.tellLost(g.Webhook, status.Info)
		if !rec.repair(repairWindow(r.Interval)) {
			rec.Contested = found(status.Info.URL)
			status.contest(rec.Contested)
			return r.save(ctx, *rec)
		}
	}
	return r.register(ctx, g, rec, status)
}

// refused reports whether Telegram has met a 403 since it was told the secret,
// which it then does not have: that happens when storage was put back.
func refused(info botapi.WebhookInfo, rec *record) bool {
	return info.LastErrorDate.After(rec.RegisteredAt) && strings.Contains(info.LastErrorMessage, "403") &&
		!within(rec.RegisteredAt, suspicionInterval)
}

// replace registers a new configuration. It asks first what there is: if that
// cannot be had, nor can a registration be, which might break off half-way.
func (r *Registrar) replace(ctx context.Context, g goal, rec *record, status *Status) error {
	if err := r.look(ctx, rec, status); err != nil {
		return err
	}
	r.suspect.Store(false)
	return r.register(ctx, g, rec, status)
}

// look asks what Telegram has.
func (r *Registrar) look(ctx context.Context, rec *record, status *Status) error {
	info, err := r.API.GetWebhookInfo(ctx)
	if err != nil {
		return err
	}
	r.looked = true
	status.failedAnew = rec.Told == nil || info.LastErrorDate.After(rec.Told.LastErrorDate)
	status.told(info, rec)
	return nil
}

// register calls setWebhook, and takes down what Telegram has then.
func (r *Registrar) register(ctx context.Context, g goal, rec *record, status *Status) (err error) {
	g.DropPendingUpdates = r.asked != nil && r.asked.drop
	if status.Result, err = r.call(ctx, g.Webhook); err != nil {
		_, _ = r.Secrets.Registered(ctx, g.Secret, err) // it has no error of its own then
		return err
	}
	r.owned, r.lost = g.sum, ""
	rec.registered(g, r.Node)
	if info, err := r.API.GetWebhookInfo(ctx); err == nil && info.URL == g.URL {
		rec.see(info)
		status.told(info, rec)
	}
	return r.save(ctx, *rec)
}

// confirm ends the rotation of a secret that Telegram now has.
func (r *Registrar) confirm(ctx context.Context, value string) error {
	ctx, cancel := beyond(ctx)
	defer cancel()
	rotated, err := r.Secrets.Registered(ctx, value, nil)
	if rotated {
		r.tell("rotated", map[string]any{})
	}
	return err
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
