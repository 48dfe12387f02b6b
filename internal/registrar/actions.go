package registrar

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/caddy-telegram/telegramwebhook/internal/botapi"
)

// renewSecret takes the next step of a rotation, if one is due, and finds out which
// secret is to be registered.
func (a *attempt) renewSecret(ctx context.Context) error {
	var registered func(string) bool
	if a.rec.Secret != "" || a.status.Info.URL != "" && a.facts&asked != 0 {
		registered = func(value string) bool { return a.secretFingerprintOf(value) == a.rec.Secret }
	}
	a.want.Secret, a.secretErr = a.Secrets.Advance(ctx, a.order.Kind == OrderRotate, registered)
	if a.want.Secret == "" {
		return a.secretErr
	}
	a.secretFingerprint = a.secretFingerprintOf(a.want.Secret)
	a.add(secretKnown, true)
	a.add(sameSecret, a.rec.Secret == a.secretFingerprint)
	return nil
}

func (a *attempt) secretFingerprintOf(value string) string {
	return fingerprint(a.MACKey, botapi.Webhook{Secret: value})
}

// paused reports whether Telegram wants no call for the bot yet.
func (a *attempt) paused() bool { return time.Until(a.rec.PausedUntil) > 0 }

// beginCall waits until the attempt may call the Bot API, and returns what ends the call.
func (a *attempt) beginCall(ctx context.Context) (end func(), err error) {
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case !a.paused():
		return a.Pace.beginCall(ctx)
	}
	return nil, &botapi.Error{
		Method: "setWebhook", Code: http.StatusTooManyRequests, RetryAfter: time.Until(a.rec.PausedUntil),
		Description: "Too Many Requests, as Telegram has said to a node that shares this storage",
	}
}

// recordFailure tells the other nodes that this one is at work though Telegram cannot be
// reached, and how long Telegram wants no call.
func (a *attempt) recordFailure(ctx context.Context, err error) {
	if a.paused() {
		return
	}
	refusal, refused := errors.AsType[*botapi.Error](err)
	pause := refused && refusal.RetryAfter > 0
	if pause {
		a.rec.PausedUntil = time.Now().Add(refusal.RetryAfter)
	}
	if pause || a.facts&ours != 0 && a.facts&secretKnown != 0 {
		a.rec.FailedAt = time.Now()
		_ = a.saveRecord(ctx, a.rec)
	}
}

// forgetSecrets removes the secrets of a webhook that was deleted.
func (a *attempt) forgetSecrets(ctx context.Context) error { return a.Secrets.Forget(ctx) }

// getWebhookInfo asks what Telegram has, and compares.
func (a *attempt) getWebhookInfo(ctx context.Context) error {
	end, err := a.beginCall(ctx)
	if err != nil {
		return err
	}
	defer end()
	info, err := a.API.GetWebhookInfo(ctx)
	if err != nil {
		return err
	}
	rec := &a.rec
	a.hasAsked = true
	a.status.deliveryError = rec.Told == nil || info.LastErrorDate.After(rec.Told.LastErrorDate)
	a.status.setInfo(info, rec)
	rec.markChecked(a.Node, a.Interval)
	a.add(asked, true)
	a.add(changed, !rec.unchanged(info, a.want))
	a.add(repairedOften, rec.repairedOften(a.Interval))
	a.add(suspected, a.refusedByGate(info) && !within(rec.RegisteredAt, suspicionInterval))
	return nil
}

// forbiddenPeriod is longer than Telegram waits before it sends an update again.
const forbiddenPeriod = 5 * time.Minute

// refusedByGate reports whether Telegram has met a 403 that only a gate can have
// answered, so that Telegram must have another secret than the one it was given: that
// happens when storage was put back. A gate that sees Telegram's address calls Suspect;
// behind a proxy that it does not trust, only Telegram tells.
//
// A bot's own 403 looks the same, and comes again and again. So an error counts only if
// the bot has answered no 403 through this process in the time before it. The time before
// this process started is not known either, and an error that lasts comes again.
func (a *attempt) refusedByGate(info botapi.WebhookInfo) bool {
	unexplained := time.Unix(0, a.forbidden.Load()).Add(forbiddenPeriod)
	return strings.Contains(info.LastErrorMessage, "403") && info.LastErrorDate.After(a.rec.RegisteredAt) && info.LastErrorDate.After(unexplained)
}

// RecordForbidden is called when the bot has answered 403 to a request that passed the gate.
func (r *Registrar) RecordForbidden() { r.forbidden.Store(time.Now().UnixNano()) }

// setWebhook registers the webhook, and records what Telegram has then. The call is not
// broken off when the configuration ends: nobody would know what has come of it.
func (a *attempt) setWebhook(ctx context.Context) error {
	end, err := a.beginCall(ctx)
	if err != nil {
		return err
	}
	defer end()
	longer, cancel := withGrace(ctx)
	defer cancel()
	a.called.Store(time.Now().UnixNano())
	err = a.API.SetWebhook(longer, a.want, a.order.Drop)
	a.called.Store(time.Now().UnixNano())
	if err != nil {
		a.status.Result = "unreachable"
		if refusal, ok := errors.AsType[*botapi.Error](err); ok {
			a.status.Result = strconv.Itoa(refusal.Code)
			if refusal.Code == http.StatusBadRequest { // Telegram erases the webhook before it looks at the arguments
				a.status.Info = botapi.WebhookInfo{PendingUpdateCount: a.status.Info.PendingUpdateCount}
			}
		}
		_, _ = a.Secrets.Registered(ctx, a.want.Secret, err) // it has no error of its own then
		return err
	}
	a.status.Result, a.status.Info.URL = "ok", a.want.URL
	a.ownFingerprint, a.reportedLoss = a.fingerprint, ""
	rec := &a.rec
	rec.Fingerprint, rec.Secret, rec.URL = a.fingerprint, a.secretFingerprint, a.want.URL
	rec.Revision, rec.RegisteredAt, rec.RegisteredBy = rec.Revision+1, time.Now(), a.Node.Process
	rec.Seen, rec.Contested, rec.Deleted = nil, "", false
	rec.markChecked(a.Node, a.Interval)
	if info, err := a.API.GetWebhookInfo(ctx); err == nil && info.URL == a.want.URL {
		rec.see(info)
		a.status.setInfo(info, rec)
	}
	return a.saveRecord(ctx, *rec)
}

// replaceSecret registers the next secret. It waits while storage does not return what was
// just written: another node may have done it, or would do it again.
func (a *attempt) replaceSecret(ctx context.Context) error {
	if err := a.Storage.Prove(ctx, a.recordKey()); err != nil {
		return err
	}
	return a.setWebhook(ctx)
}

// repair registers the webhook again after somebody else has changed it, its address or
// its secret.
func (a *attempt) repair(ctx context.Context) error {
	a.noticeLoss()
	a.rec.Repairs = append(a.rec.Repairs, time.Now())
	return a.setWebhook(ctx)
}

// leaveContested leaves the webhook to somebody else for a while.
func (a *attempt) leaveContested(ctx context.Context) error {
	a.rec.Contested = a.noticeLoss()
	return a.saveRecord(ctx, a.rec)
}

// noticeLoss returns what somebody else has put in the webhook's place. It is news
// only once.
func (a *attempt) noticeLoss() (found string) {
	found = cmp.Or(a.status.Info.URL, "no webhook at all")
	if a.facts&changed == 0 {
		found = sameAddress
	}
	if found != a.reportedLoss {
		a.reportedLoss, a.status.lost = found, found
	}
	return found
}

// sameAddress is found when Telegram has the address that is wanted, and sends updates
// with another secret.
const sameAddress = "the same address with another secret"

// keep records that Telegram has what it is to have.
func (a *attempt) keep(ctx context.Context) error {
	a.reportedLoss, a.rec.Contested = "", ""
	a.rec.see(a.status.Info)
	return a.saveRecord(ctx, a.rec)
}

// deleteWebhook deletes the webhook, for all nodes.
func (a *attempt) deleteWebhook(ctx context.Context) error {
	end, err := a.beginCall(ctx)
	if err != nil {
		a.status.undeleted = true
		return err
	}
	defer end()
	if err := a.API.DeleteWebhook(ctx); err != nil {
		a.status.undeleted = true
		return err
	}
	a.ownFingerprint, a.reportedLoss = a.fingerprint, ""
	a.rec.Revision++
	a.rec.Fingerprint, a.rec.Deleted, a.rec.URL, a.rec.Seen = a.fingerprint, true, "", nil
	a.rec.markChecked(a.Node, a.Interval)
	return cmp.Or(a.saveRecord(ctx, a.rec), a.forgetSecrets(ctx))
}
