package poll

import (
	"cmp"
	"context"
	"math/rand/v2"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-telegram/telegramwebhook/internal/boundedlog"
	"github.com/caddy-telegram/telegramwebhook/internal/telegram"
)

// deliver tries to deliver an update, and then lets its queue continue. It reports a failed
// try, unless it has just reported another one.
func (p *Poller) deliver(c Config, u *update) {
	answer := try(c, u.body)
	waiting := p.judge(u, answer)
	report := false
	if !answer.Delivered() {
		p.failures.Do(func() { report = true })
	}
	if !report {
		return
	}
	text := answer.LastError()
	if answer.Err != nil {
		text = cmp.Or(text, answer.Err.Error())
	}
	c.Logger.Warn("fetched update not taken", zap.Int64("update_id", u.ID), zap.String("last_error", text), zap.Int("waiting", waiting))
	emit(c, "delivery_failing", map[string]any{"last_error": text, "pending": waiting})
}

// try hands an update to the webhook and calls the method in the answer, if there is one. The update is taken only
// after that: the bot's messages stay in order, and are repeated after a crash rather than lost.
func try(c Config, body []byte) (answer *telegram.Answer) {
	answer = &telegram.Answer{Err: errPanicked}
	defer catchPanic(c.Logger, new(error))
	given := c.Webhook.Deliver(body)
	if given.Delivered() && telegram.Runs(given.Method) {
		if err := c.API.Run(context.Background(), given.Method, given.ContentType(), given.Body); err != nil {
			c.Logger.Warn("method in the bot's answer failed", zap.String("method", boundedlog.Printable{}.Line(telegram.HideTokens(given.Method), maxMethod)), zap.Error(err))
		}
	}
	return given
}

// maxMethod bounds the logged name of a method, in characters.
const maxMethod = 64

// judge records the result of a try, and returns the number of waiting updates.
func (p *Poller) judge(u *update, answer *telegram.Answer) (waiting int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.underWay--
	u.underWay = false
	if answer.Delivered() {
		u.taken = true
	} else {
		pause := u.retries.Failed(answer.RetryAfter(), rand.IntN)
		u.due = time.Now().Add(pause)
		time.AfterFunc(pause, p.resume)
	}
	p.dispatch()
	return p.waiting()
}

// resume begins the deliveries that have become due.
func (p *Poller) resume() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dispatch()
}
