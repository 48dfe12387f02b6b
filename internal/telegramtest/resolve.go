package telegramtest

import (
	"math/rand/v2"
	"time"
)

// resolve asks for the address of the webhook's host again every 30 to 33 minutes.
// With another one, new connections go there, and the old ones are closed after
// the request that is under way or comes next.
func (h *hook) resolve() {
	for {
		select {
		case <-time.After(30*time.Minute + rand.N(3*time.Minute)):
		case <-h.ctx.Done():
			return
		}
		h.s.mu.Lock()
		w := h.w
		h.s.mu.Unlock()
		if ip, ok := h.s.resolve(w); ok && ip != w.IPAddress {
			h.s.mu.Lock()
			h.w.IPAddress = ip
			h.generation++
			h.s.mu.Unlock()
		}
	}
}
