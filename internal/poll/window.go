package poll

import (
	"cmp"
	"context"
	"encoding/json"
	"math/rand/v2"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-telegram/telegramwebhook/internal/boundedlog"
	"github.com/caddy-telegram/telegramwebhook/internal/telegram"
)

// maxWindow bounds the updates of a call and of the window. Telegram returns the earliest
// unconfirmed updates, so no more can be fetched.
const maxWindow = 100

// update is a fetched update that is not confirmed.
type update struct {
	telegram.Update
	body     []byte
	since    time.Time // the beginning of its age
	due      time.Time // of the next try
	retries  telegram.Retries
	underWay bool
	taken    bool // or expired
}

// expired reports whether Telegram would no longer try the update.
func (u *update) expired(now time.Time) bool { return now.Sub(u.since) > telegram.Expiry(u.Type) }

// add adds the new updates to the window, and begins their deliveries. It reports whether all
// that were fetched are stale: confirmed before.
func (p *Poller) add(fetched []json.RawMessage) (stale bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.serving {
		return false
	}
	stale = len(fetched) > 0
	now := time.Now()
	p.status.FetchedAt = now
	last, returned := int64(0), make(map[int64]bool, len(fetched))
	for _, body := range fetched {
		u := telegram.ParseUpdate(string(body))
		last, returned[u.ID] = u.ID, true
		stale = stale && u.ID < p.offset
		known := slices.ContainsFunc(p.window, func(w *update) bool { return w.ID == u.ID })
		if !known && len(p.window) < maxWindow {
			p.window = append(p.window, &update{Update: u, body: body, since: u.Since(now), due: now})
		}
	}
	// An update that Telegram does not return again has expired or was dropped there.
	p.window = slices.DeleteFunc(p.window, func(w *update) bool {
		gone := !w.underWay && !returned[w.ID] && (w.ID < last || len(fetched) == 0)
		if gone && !w.taken {
			p.expire(w)
		}
		return gone
	})
	p.dispatch()
	p.reportCrowded()
	return stale
}

// dropTaken removes the taken updates at the beginning of the window, and moves the offset past them. The lock is held.
func (p *Poller) dropTaken() {
	for len(p.window) > 0 && p.window[0].taken {
		p.offset = p.window[0].ID + 1
		p.window = p.window[1:]
	}
}

// forget empties the window: another process fetches these updates again.
func (p *Poller) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.window = nil
}

// heads returns the first update of each queue, ordered by due time. The lock is held.
func (p *Poller) heads() (heads []*update) {
	seen := make(map[int64]bool, len(p.window))
	for _, u := range p.window {
		if !u.taken && !seen[u.Queue] {
			seen[u.Queue] = u.Queue != 0
			heads = append(heads, u)
		}
	}
	slices.SortStableFunc(heads, func(a, b *update) int { return a.due.Compare(b.due) })
	return heads
}

// dispatch begins the due deliveries. The lock is held.
func (p *Poller) dispatch() {
	if !p.serving {
		p.signalProgress()
		return
	}
	now, limit := time.Now(), cmp.Or(p.config.MaxConnections, telegram.DefaultMaxConnections)
	for _, u := range p.window {
		if !u.taken && !u.underWay && u.expired(now) {
			p.expire(u)
		}
	}
	for _, u := range p.heads() {
		if p.underWay < limit && !u.underWay && !u.due.After(now) {
			p.underWay++
			u.underWay = true
			go p.deliver(p.config, u)
		}
	}
	taken := slices.IndexFunc(p.window, func(u *update) bool { return !u.taken })
	if len(p.window) > 0 && taken < 0 || taken >= maxWindow*3/4 { // all, or enough for a call
		p.signalProgress()
	}
}

func (p *Poller) signalProgress() {
	select {
	case p.progress <- struct{}{}:
	default:
	}
}

// expire gives up an update. The lock is held.
func (p *Poller) expire(u *update) {
	u.taken = true
	p.config.Logger.Warn("fetched update expired", zap.Int64("update_id", u.ID), zap.String("type", u.Type))
}

// reportCrowded logs once that all fetched updates fail or wait for failing ones, so that no
// more can be fetched. The lock is held.
func (p *Poller) reportCrowded() {
	crowded := len(p.window) >= maxWindow && !slices.ContainsFunc(p.heads(), func(u *update) bool { return !u.retries.Any() })
	if crowded && !p.crowded {
		p.config.Logger.Error("updates held up by failing updates", zap.Int("waiting", p.waiting()),
			zap.String("remedy", "find out why the bot does not answer them with 2xx; Telegram returns no others before"))
	}
	p.crowded = crowded || p.crowded && len(p.window) >= maxWindow
}

// waiting counts the fetched updates that are not taken. The lock is held.
func (p *Poller) waiting() (n int) {
	for _, u := range p.window {
		if !u.taken {
			n++
		}
	}
	return n
}

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
