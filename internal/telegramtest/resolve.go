package telegramtest

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"github.com/caddy-telegram/telegramwebhook/internal/telegram"
)

// lookup fills in the address of a webhook's host.
func (a *API) lookup(t telegram.Target, want *registration) error {
	if addr, err := netip.ParseAddr(t.ServerName()); err == nil {
		want.ip = addr.String()
		return a.checkAddress(addr)
	}
	if a.opt.Resolve == nil {
		want.ip = someAddress
		return nil
	}
	addr, err := a.resolve(t)
	if err != nil {
		return err
	}
	want.ip, want.dial = addr.String(), addr.String()
	return nil
}

func (a *API) resolve(t telegram.Target) (netip.Addr, error) {
	addrs, err := a.opt.Resolve(t.Host)
	if err != nil || len(addrs) == 0 {
		return netip.Addr{}, refusal("Failed to resolve host: Name or service not known")
	}
	addr := addrs[max(0, slices.IndexFunc(addrs, netip.Addr.Is4))]
	return addr, a.checkAddress(addr)
}

func (a *API) checkAddress(addr netip.Addr) error {
	switch {
	case a.opt.Local:
		return nil
	case !addr.Is4():
		return refusal("IPv6-only addresses are not allowed")
	case !a.opt.AllowReserved && telegram.IsReserved(addr):
		return refusal(fmt.Sprintf("IP address %v is reserved", addr))
	}
	return nil
}

// follow asks for the address of the webhook's host again every 30 to 33 minutes.
// With another one, new connections go there, and an old one is closed after its
// next request.
func (h *hook) follow() {
	for {
		select {
		case <-time.After(30*time.Minute + rand.N(3*time.Minute)):
		case <-h.ctx.Done():
			return
		}
		addr, err := h.s.resolve(h.target)
		h.s.mu.Lock()
		if ip := addr.String(); err == nil && ip != h.w.IPAddress {
			h.w.IPAddress = ip
			h.generation++
		}
		h.s.mu.Unlock()
	}
}

// address returns the resolved address in use, "" if there is none.
func (s *Sender) address() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.hook == nil || !s.hook.w.resolves {
		return ""
	}
	return s.hook.w.IPAddress
}
