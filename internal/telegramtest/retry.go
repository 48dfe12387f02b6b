package telegramtest

import (
	"errors"
	"time"

	"github.com/caddy-telegram/telegramwebhook/internal/telegram"
)

// errSuperseded ends a try because the webhook was set anew meanwhile.
var errSuperseded = errors.New("webhook was set anew")

// judge decides what a try was worth. It also reports whether Telegram gives up
// the webhook because of it. The sender's lock is held.
func (h *hook) judge(j job, a *telegram.Answer) (at Attempt, gone bool) {
	at = Attempt{
		UpdateID: j.update.ID, Try: j.try,
		Status: a.Status, Reason: a.Reason, Header: a.Header, Body: a.Body, Err: a.Err,
	}
	if h.ctx.Err() != nil {
		at.Err = errSuperseded
		return at, false
	}

	stats := &h.s.stats
	now := h.s.opt.Now()
	if a.Delivered() {
		h.first410, h.connections.lastSuccess = time.Time{}, now
		stats.Delivered++
		if at.Call = methodCall(a); at.Call != nil {
			stats.Calls++
		}
		at.Delivered, j.update.done = true, true
		return at, false
	}

	stats.Failed++
	h.noteError(a)
	at.Pause = j.update.retries.Failed(a.RetryAfter(), h.s.rand.IntN)
	if j.update.expired(now, at.Pause) {
		stats.Expired++
		at.Pause, at.Expired, j.update.done = 0, true, true
	}
	return at, h.is410(a, now.Add(j.update.skew))
}

// noteError keeps what getWebhookInfo shows of a failure; nothing if the connection was
// closed without an answer.
func (h *hook) noteError(a *telegram.Answer) {
	text := a.LastError()
	if text == "" {
		return
	}
	if words, ok := alertText(a.Err); ok {
		text = words
	}
	h.s.stats.LastError, h.s.stats.LastErrorDate = text, h.s.opt.Now()
}

// is410 reports whether an answer is the 410 that removes the webhook. Only an
// answer with another code is a break, a connection that failed is none.
func (h *hook) is410(a *telegram.Answer, now time.Time) bool {
	switch {
	case a.Err != nil:
		return false
	case a.Status != 410:
		h.first410 = time.Time{}
		return false
	case h.first410.IsZero():
		h.first410 = now
		return false
	}
	return now.Sub(h.first410) > telegram.GoneAfter
}
