package poll

import (
	"cmp"
	"encoding/json"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-telegram/telegramwebhook/internal/telegram"
)

// maxWindow is how many updates getUpdates returns at most, and how many are in memory.
// Telegram returns the earliest that are not confirmed, so more would never come.
const maxWindow = 100

// update is one that was fetched and is not confirmed.
type update struct {
	telegram.Update
	body     []byte    // as it was fetched
	since    time.Time // its age counts from here
	due      time.Time // when it may be tried
	retries  telegram.Retries
	underWay bool
	taken    bool // or expired
}

// expired reports whether Telegram does not try an update any more.
func (u *update) expired(now time.Time) bool { return now.Sub(u.since) > telegram.Expiry(u.Type) }

// add puts those of the fetched updates that are new in the window, and begins their deliveries.
func (p *Poller) add(fetched []json.RawMessage) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.serving {
		return
	}
	now := time.Now()
	p.status.FetchedAt = now
	last, returned := int64(0), make(map[int64]bool, len(fetched))
	for _, body := range fetched {
		u := telegram.ParseUpdate(body)
		last, returned[u.ID] = u.ID, true
		known := slices.ContainsFunc(p.window, func(w *update) bool { return w.ID == u.ID })
		if !known && len(p.window) < maxWindow {
			p.window = append(p.window, &update{Update: u, body: body, since: u.Since(now), due: now})
		}
	}
	// An update that does not come again has expired at Telegram, or was dropped there.
	p.window = slices.DeleteFunc(p.window, func(w *update) bool {
		gone := !w.underWay && !returned[w.ID] && (w.ID < last || len(fetched) == 0)
		if gone && !w.taken {
			p.expire(w)
		}
		return gone
	})
	p.dispatch()
	p.reportCrowded()
}

// dropTaken removes what was taken from the beginning of the window, and moves the offset
// past it. The lock is held.
func (p *Poller) dropTaken() {
	for len(p.window) > 0 && p.window[0].taken {
		p.offset = p.window[0].ID + 1
		p.window = p.window[1:]
	}
}

// forget leaves the updates in the window to whoever fetches them next.
func (p *Poller) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.window = nil
}

// heads returns the first update of each queue, those that are due for longest first.
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

// dispatch begins the deliveries that may begin now. The lock is held.
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
	if len(p.window) > 0 && taken < 0 || taken >= maxWindow*3/4 { // everything, or enough to be worth a call
		p.signalProgress()
	}
}

func (p *Poller) signalProgress() {
	select {
	case p.progress <- struct{}{}:
	default:
	}
}

// expire gives an update up. The lock is held.
func (p *Poller) expire(u *update) {
	u.taken = true
	p.config.Logger.Warn("fetched update expired", zap.Int64("update_id", u.ID), zap.String("type", u.Type))
}

// reportCrowded logs once that no more updates are fetched because all that are here wait
// for one that fails. The lock is held.
func (p *Poller) reportCrowded() {
	crowded := len(p.window) >= maxWindow && !slices.ContainsFunc(p.heads(), func(u *update) bool { return !u.retries.Any() })
	if crowded && !p.crowded {
		p.config.Logger.Error("updates held up by failing updates", zap.Int("waiting", p.waiting()),
			zap.String("remedy", "see why the bot does not answer these with 2xx; Telegram returns no others before they are taken"))
	}
	p.crowded = crowded || p.crowded && len(p.window) >= maxWindow
}

// waiting counts the updates that were fetched and not taken. The lock is held.
func (p *Poller) waiting() (n int) {
	for _, u := range p.window {
		if !u.taken {
			n++
		}
	}
	return n
}
