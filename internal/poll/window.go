package poll

import (
	"cmp"
	"encoding/json"
	"slices"
	"time"

	"go.uber.org/zap"

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

// dropTaken removes the taken updates at the beginning of the window, and moves the offset
// past them. The lock is held.
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
