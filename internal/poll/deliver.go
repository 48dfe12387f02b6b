package poll

import (
	"cmp"
	"context"
	"math/rand/v2"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-telegram/telegramwebhook/internal/printable"
	"github.com/caddy-telegram/telegramwebhook/internal/telegram"
)

// deliver tries to deliver an update, and lets its queue go on.
func (p *Poller) deliver(c Config, u *update, end chan<- struct{}) {
	answer := try(c, u.body)
	waiting := p.judge(u, answer)
	close(end)
	if answer.Delivered() {
		return
	}
	now := false
	p.failures.Do(func() { now = true })
	if now {
		reportFailure(c, u, answer, waiting)
	}
}

// reportFailure tells everybody of a failed try.
func reportFailure(c Config, u *update, answer *telegram.Answer, waiting int) {
	text := answer.LastError()
	if answer.Err != nil {
		text = cmp.Or(text, answer.Err.Error())
	}
	c.Logger.Warn("fetched update not taken", zap.Int64("update_id", u.ID), zap.String("last_error", text), zap.Int("waiting", waiting))
	emit(c, "delivery_failing", map[string]any{"last_error": text, "pending": waiting})
}

// try hands an update to the webhook and calls the method in the answer, if it has one.
// The update is not taken before that, and the next of its queue waits: what the bot says
// in answers stays in order, and is said again after a crash.
func try(c Config, body []byte) (answer *telegram.Answer) {
	answer = &telegram.Answer{Err: errPanicked}
	defer catchPanic(c.Logger, new(error))
	given := c.Webhook.Deliver(body)
	if given.Delivered() && telegram.Runs(given.Method) {
		if err := c.API.Run(context.Background(), given.Method, given.ContentType(), given.Body); err != nil {
			c.Logger.Warn("method in the bot's answer failed", zap.String("method", printable.Text{}.Line(given.Method, maxMethod)), zap.Error(err))
		}
	}
	return given
}

// maxMethod bounds what is logged as the name of a method, in characters.
const maxMethod = 64

// judge draws the conclusions from a try, and returns how many updates wait.
func (p *Poller) judge(u *update, answer *telegram.Answer) (waiting int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.underWay, u)
	if answer.Delivered() {
		u.taken = true
	} else {
		now, pause := time.Now(), u.retries.Failed(answer.RetryAfter(), rand.IntN)
		u.due = now.Add(pause)
		if u.expired(now, pause) {
			p.expire(u)
		} else if pause > 0 && !p.closed {
			time.AfterFunc(pause, p.resume)
		}
	}
	p.dispatch()
	return p.waiting()
}

// resume begins what has become due.
func (p *Poller) resume() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dispatch()
}
