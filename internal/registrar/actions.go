package registrar

import (
	"cmp"
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/caddy-telegram/telegramwebhook/internal/botapi"
)

// do carries out an action.
func (a *attempt) do(ctx context.Context, action action) error {
	switch action {
	case renewSecret:
		return a.renewSecret(ctx)
	case getWebhookInfo:
		return a.getWebhookInfo(ctx)
	case setWebhook:
		return a.setWebhook(ctx)
	case repair:
		a.noticeLoss()
		a.rec.Repairs = append(a.rec.Repairs, time.Now())
		return a.setWebhook(ctx)
	case leaveContested:
		a.noticeLoss()
		a.rec.Contested = a.foundURL()
		return a.saveRecord(ctx, a.rec)
	case keep:
		a.reportedLoss, a.rec.Contested = "", ""
		a.rec.see(a.status.Info)
		return a.saveRecord(ctx, a.rec)
	case deleteWebhook:
		return a.deleteWebhook(ctx)
	}
	return nil
}

// noticeLoss notices that somebody else has changed the webhook, once for what is found.
func (a *attempt) noticeLoss() {
	if found := a.foundURL(); found != a.reportedLoss {
		a.reportedLoss, a.status.lost = found, found
	}
}

func (a *attempt) foundURL() string { return cmp.Or(a.status.Info.URL, "no webhook at all") }

// renewSecret finds out which secret is to be registered.
func (a *attempt) renewSecret(ctx context.Context) error {
	a.want.Secret, a.secretDue, a.secretErr = a.Secrets.Advance(ctx, a.order.is(orderRotate))
	if a.want.Secret == "" {
		return a.secretErr
	}
	a.secretFingerprint = fingerprint(a.MACKey, botapi.Webhook{Secret: a.want.Secret})
	a.add(secretKnown, true)
	a.add(sameSecret, a.rec.Secret == a.secretFingerprint)
	return nil
}

// getWebhookInfo asks what Telegram has, and compares.
func (a *attempt) getWebhookInfo(ctx context.Context) error {
	info, err := a.API.GetWebhookInfo(ctx)
	if err != nil {
		return err
	}
	rec := &a.rec
	a.hasAsked = true
	a.status.deliveryError = rec.Told == nil || info.LastErrorDate.After(rec.Told.LastErrorDate)
	a.status.setInfo(info, rec)
	rec.markChecked(a.Node)
	// A 403 since the registration means that Telegram does not have the secret that
	// it was given: that happens when storage was put back.
	refused := info.LastErrorDate.After(rec.RegisteredAt) && strings.Contains(info.LastErrorMessage, "403")
	a.add(asked, true)
	a.add(changed, !rec.unchanged(info, a.want))
	a.add(repairedOften, rec.repairedOften(repairWindow(a.Interval)))
	a.add(suspected, refused && !within(rec.RegisteredAt, suspicionInterval))
	return nil
}

// setWebhook registers the webhook, and records what Telegram has then. The call is not
// broken off when the configuration ends: nobody would know what has come of it.
func (a *attempt) setWebhook(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	longer, cancel := withGrace(ctx)
	defer cancel()
	a.called.Store(time.Now().UnixNano())
	err := a.API.SetWebhook(longer, a.want, a.order != nil && a.order.drop)
	a.called.Store(time.Now().UnixNano())
	if err != nil {
		a.status.Result = "unreachable"
		if refusal, ok := errors.AsType[*botapi.Error](err); ok {
			a.status.Result = strconv.Itoa(refusal.Code)
		}
		_, _ = a.Secrets.Registered(ctx, a.want.Secret, err) // it has no error of its own then
		return err
	}
	a.status.Result = "ok"
	a.ownFingerprint, a.reportedLoss = a.fingerprint, ""
	a.rec.markRegistered(a.want.URL, a.fingerprint, a.secretFingerprint, a.Node)
	if info, err := a.API.GetWebhookInfo(ctx); err == nil && info.URL == a.want.URL {
		a.rec.see(info)
		a.status.setInfo(info, &a.rec)
	}
	return a.saveRecord(ctx, a.rec)
}

// confirmSecret ends the rotation of a secret that Telegram now has.
func (a *attempt) confirmSecret(ctx context.Context) (err error) {
	ctx, cancel := withGrace(ctx)
	defer cancel()
	a.status.rotated, err = a.Secrets.Registered(ctx, a.want.Secret, nil)
	return err
}

// deleteWebhook deletes the webhook, for all nodes.
func (a *attempt) deleteWebhook(ctx context.Context) error {
	if err := a.API.DeleteWebhook(ctx, a.order.drop); err != nil {
		return deletionError{err}
	}
	a.ownFingerprint, a.reportedLoss = a.fingerprint, ""
	a.rec.Fingerprint, a.rec.Deleted, a.rec.URL, a.rec.Seen = a.fingerprint, true, "", nil
	a.rec.markChecked(a.Node)
	return a.saveRecord(ctx, a.rec)
}
