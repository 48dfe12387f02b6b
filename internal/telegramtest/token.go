package telegramtest

import (
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/caddy-telegram/telegramwebhook/internal/telegram"
)

// clientAddress returns the address that limits are counted for. A caller on
// the same machine has none, unless it says on whose behalf it calls.
func clientAddress(r *http.Request) string {
	host, _, _ := net.SplitHostPort(r.RemoteAddr)
	if a, err := netip.ParseAddr(host); err == nil && a.Is4() && !telegram.IsReserved(a) {
		return host
	}
	return r.Header.Get("X-Real-IP")
}

// firstCall limits how many tokens an address may come with for the first time:
// 20 a minute and 600 an hour. A token that is no bot's is new each time. It
// returns the seconds to wait, or 0.
func (a *API) firstCall(q *query, exists bool) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	if q.client == "" || a.known[q.token] {
		return 0
	}
	now := a.opt.Now()
	before := a.firsts[q.client]
	if wait := max(before.wait(now, 20, time.Minute), before.wait(now, 600, time.Hour)); wait > 0 {
		return int((wait + time.Second - 1) / time.Second)
	}
	a.firsts[q.client] = append(before, now)
	a.known[q.token] = exists
	return 0
}

// moments are when something happened, the oldest first.
type moments []time.Time

// wait returns the time until there were fewer than limit in the last while.
func (m moments) wait(now time.Time, limit int, while time.Duration) time.Duration {
	if len(m) < limit {
		return 0
	}
	return max(0, m[len(m)-limit].Add(while).Sub(now))
}
