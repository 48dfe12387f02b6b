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
	"github.com/caddy-telegram/telegramwebhook/internal/telegram"
)

// renewSecret takes the next step of a due rotation, and gets the secret to register.
func (a *attempt) renewSecret(ctx context.Context) error {
	var registered func(string) bool
	if a.rec.Secret != "" || a.facts&asked != 0 && a.status.Telegram.URL != "" {
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
	return authenticate(a.MACKey, []byte(value))
}

// paused reports whether the pause that Telegram asked for still lasts.
func (a *attempt) paused() bool { return time.Until(a.rec.PausedUntil) > 0 }

// beginCall waits until the attempt may call the Bot API. The caller calls end afterwards.
func (a *attempt) beginCall(ctx context.Context) (end func(), err error) {
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case !a.paused():
		return a.Pace.beginCall(ctx)
	}
	return nil, &botapi.Error{
		Method: "setWebhook", Code: http.StatusTooManyRequests, RetryAfter: time.Until(a.rec.PausedUntil),
		Description: "Too Many Requests, answered to a node that shares this storage",
	}
}

// recordFailure shows the other nodes that this one is active although Telegram cannot be
// reached, and how long Telegram asked for a pause.
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

// getWebhookInfo gets Telegram's webhook and compares it with the record.
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
	last := a.status.Telegram // the later one of this node's answer and the record's
	a.status.deliveryError = within(info.LastErrorDate, time.Hour) && (last == nil || info.LastErrorDate.After(last.LastErrorAt))
	a.takeAnswer(info)
	rec.markChecked(a.Node, a.Interval)
	a.add(asked, true)
	a.add(changed, !rec.unchanged(info, a.want))
	a.add(repairedOften, rec.repairedOften(a.Interval))
	a.add(suspected, a.refusedByGate(info) && !within(rec.RegisteredAt, suspicionInterval))
	return nil
}

// takeAnswer records Telegram's answer, for this node and all others.
func (a *attempt) takeAnswer(info botapi.WebhookInfo) {
	a.rec.Told, a.rec.ToldAt = &info, time.Now()
	a.status.setTelegram(info, a.rec.ToldAt)
}

// forbiddenPeriod is longer than Telegram's pause before it sends an update again.
const forbiddenPeriod = 5 * time.Minute

// refusedByGate reports whether Telegram's last error is a 403 of a gate, so that Telegram
// has another secret, for instance after storage was restored from a backup. A gate that
// sees Telegram's address calls Suspect; behind an untrusted proxy, only getWebhookInfo tells.
//
// A bot's own 403 looks the same and is repeated. So an error counts only if this process has passed on no 403 of the
// bot in the period before it, and has run for that long: a lasting error comes again.
func (a *attempt) refusedByGate(info botapi.WebhookInfo) bool {
	unexplained := time.Unix(0, a.forbidden.Load()).Add(forbiddenPeriod)
	return strings.Contains(info.LastErrorMessage, "403") && info.LastErrorDate.After(a.rec.RegisteredAt) && info.LastErrorDate.After(unexplained)
}

// RecordForbidden is called for each 403 of the bot itself.
func (r *Registrar) RecordForbidden() { r.forbidden.Store(time.Now().UnixNano()) }

// awaitInterval waits until Telegram takes another setWebhook for the bot, which another node may just have called.
func (a *attempt) awaitInterval(ctx context.Context) {
	select {
	case <-time.After(min(time.Until(a.rec.RegisteredAt.Add(telegram.SetInterval)), telegram.SetInterval)):
	case <-ctx.Done():
	}
}

// setWebhook registers the webhook, and records the registration. The end of the
// configuration does not cancel the call, whose result would be unknown then.
func (a *attempt) setWebhook(ctx context.Context) error {
	a.awaitInterval(ctx)
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
				a.status.setTelegram(botapi.WebhookInfo{PendingUpdateCount: a.status.Telegram.Pending}, a.status.Telegram.At)
			}
		}
		if a.want.Secret != a.Secrets.Current() {
			a.status.Rotation = "failed"
		}
		return err
	}
	a.status.Result = "ok"
	a.ownFingerprint, a.reportedLoss = a.status.fingerprint, ""
	rec := &a.rec
	rec.Fingerprint, rec.Secret, rec.URL = a.status.fingerprint, a.secretFingerprint, a.want.URL
	rec.Revision, rec.RegisteredAt, rec.RegisteredBy = rec.Revision+1, time.Now(), a.Node.Process
	rec.Seen, rec.Contested, rec.Deleted = nil, "", false
	rec.markChecked(a.Node, a.Interval)
	info, err := a.API.GetWebhookInfo(ctx)
	if err == nil && info.URL == a.want.URL {
		rec.Seen = &info
	} else {
		info = *rec.Told
		info.URL = a.want.URL
	}
	a.takeAnswer(info)
	return a.saveRecord(ctx, *rec)
}

// replaceSecret registers the next secret. It waits until storage can be read: another node
// may have registered the secret, or would do it again.
func (a *attempt) replaceSecret(ctx context.Context) error {
	if err := a.Storage.Prove(ctx, registrationKey(a.Prefix)); err != nil {
		return err
	}
	return a.setWebhook(ctx)
}

// repair registers the webhook again after another program has changed its address or its secret.
func (a *attempt) repair(ctx context.Context) error {
	a.noticeLoss()
	a.rec.Repairs = append(a.rec.Repairs, time.Now())
	return a.setWebhook(ctx)
}

// leaveContested leaves the webhook as another program has set it, for a while.
func (a *attempt) leaveContested(ctx context.Context) error {
	a.rec.Contested = a.noticeLoss()
	return a.saveRecord(ctx, a.rec)
}

// noticeLoss returns the webhook that another program has set. Each is news only once.
func (a *attempt) noticeLoss() (found string) {
	found = cmp.Or(a.status.Telegram.URL, "no webhook at all")
	if a.facts&changed == 0 {
		found = sameAddress
	}
	if found != a.reportedLoss {
		a.reportedLoss, a.status.lost = found, found
	}
	return found
}

// sameAddress is found when only the secret was changed.
const sameAddress = "the same address with another secret"

// keep records that Telegram has the wanted webhook.
func (a *attempt) keep(ctx context.Context) error {
	a.reportedLoss, a.rec.Contested = "", ""
	a.rec.Seen = cmp.Or(a.rec.Seen, a.rec.Told)
	return a.saveRecord(ctx, a.rec)
}

// deleteWebhook deletes the webhook, for all nodes.
func (a *attempt) deleteWebhook(ctx context.Context) error {
	end, err := a.beginCall(ctx)
	if err == nil {
		defer end()
		err = a.API.DeleteWebhook(ctx)
	}
	if err != nil {
		a.status.undeleted = true
		return err
	}
	a.ownFingerprint, a.reportedLoss = a.status.fingerprint, ""
	a.rec.Revision++
	a.rec.Fingerprint, a.rec.Deleted, a.rec.URL, a.rec.Seen = a.status.fingerprint, true, "", nil
	a.rec.markChecked(a.Node, a.Interval)
	return cmp.Or(a.saveRecord(ctx, a.rec), a.forgetSecrets(ctx))
}
