package registrar

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"

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
		a.reportLoss(a.want, a.status.Info)
		a.rec.Repairs = append(a.rec.Repairs, time.Now())
		return a.setWebhook(ctx)
	case leaveContested:
		a.reportLoss(a.want, a.status.Info)
		a.rec.Contested = describeURL(a.status.Info.URL)
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
	a.status.freshError = rec.Told == nil || info.LastErrorDate.After(rec.Told.LastErrorDate)
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

// setWebhook registers the webhook, and records what Telegram has then.
func (a *attempt) setWebhook(ctx context.Context) error {
	a.want.DropPendingUpdates = a.order != nil && a.order.drop
	if err := a.callSetWebhook(ctx); err != nil {
		_, _ = a.Secrets.Registered(ctx, a.want.Secret, err) // it has no error of its own then
		return err
	}
	a.ownFingerprint, a.reportedLoss = a.fingerprint, ""
	a.rec.markRegistered(a.want.URL, a.fingerprint, a.secretFingerprint, a.Node)
	if info, err := a.API.GetWebhookInfo(ctx); err == nil && info.URL == a.want.URL {
		a.rec.see(info)
		a.status.setInfo(info, &a.rec)
	}
	return a.saveRecord(ctx, a.rec)
}

// callSetWebhook calls setWebhook, which is not broken off when the configuration
// ends: nobody would know what has come of it.
func (a *attempt) callSetWebhook(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	ctx, cancel := withGrace(ctx)
	defer cancel()
	err := a.API.SetWebhook(ctx, a.want)
	if refusal, ok := errors.AsType[*botapi.Error](err); ok {
		a.status.Result = strconv.Itoa(refusal.Code)
		return err
	}
	if err != nil {
		a.status.Result = "unreachable"
		return err
	}
	a.status.Result = "ok"
	a.Logger.Info("webhook registered", zap.String("url", a.want.URL))
	a.addEvent("registered", map[string]any{"url": a.want.URL})
	return nil
}

// confirmSecret ends the rotation of a secret that Telegram now has.
func (a *attempt) confirmSecret(ctx context.Context) error {
	ctx, cancel := withGrace(ctx)
	defer cancel()
	rotated, err := a.Secrets.Registered(ctx, a.want.Secret, nil)
	if rotated {
		a.addEvent("rotated", map[string]any{})
	}
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
