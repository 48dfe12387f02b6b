package botapi

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/caddyserver/certmagic"

	"github.com/caddy-telegram/telegramwebhook/internal/telegram"
)

// Check reports what Telegram would refuse, or would take and then never use. Telegram erases the old webhook before it
// looks at the new one, so all of this is checked before the call, and the secret, where it is configured. The URL may
// be empty: not known yet. With local, a local Bot API server's looser rules hold.
func (w Webhook) Check(local bool) error {
	if err := w.checkURL(local); err != nil {
		return fmt.Errorf("url: %w", err)
	}
	for _, name := range w.AllowedUpdates {
		if !telegram.IsUpdateType(name) {
			return fmt.Errorf("allowed_updates: %s is not the name of a type of update, such as message; name each by itself", telegram.Quote(name))
		}
	}
	if w.IPAddress != "" {
		addr, err := netip.ParseAddr(w.IPAddress)
		if err != nil || !addr.Is4() {
			return fmt.Errorf("ip_address: %s is not an IPv4 address, and Telegram uses no other", telegram.Quote(w.IPAddress))
		}
		if err := checkAddress(addr); err != nil && !local {
			return fmt.Errorf("ip_address: %w", err)
		}
	}
	limit := telegram.MaxConnections
	if local {
		limit = telegram.MaxLocalConnections
	}
	if w.MaxConnections < 1 || w.MaxConnections > limit {
		return fmt.Errorf("max_connections: %d is not from 1 to %d", w.MaxConnections, limit)
	}
	if w.Certificate != nil { // whether it fits is for the caller, who knows what the site serves
		if _, err := telegram.ParseUpload(w.Certificate); err != nil {
			return fmt.Errorf("certificate: %w", err)
		}
	}
	return nil
}

// madeSecret is the length of a kept secret.
const madeSecret = 43

func (w Webhook) checkURL(local bool) error {
	if w.URL == "" {
		return nil
	}
	u, err := url.Parse(w.URL)
	switch {
	case err != nil || u.Hostname() == "":
		return errors.New("is not an address such as https://bot.example.com/telegram")
	case u.Scheme != "https" && (!local || u.Scheme != "http"):
		return errors.New("must begin with https://")
	case u.User != nil || u.Fragment != "":
		return errors.New("must have neither a user nor a fragment")
	}
	if err := w.checkPublic(u); err != nil && !local {
		return err
	}
	target, err := telegram.ParseTarget(w.URL)
	if err != nil {
		return err
	}
	if size := len(target.Head(cmp.Or(w.Secret, strings.Repeat("x", madeSecret)), telegram.MaxUpdate)); size > telegram.MaxHead {
		return fmt.Errorf("is so long that the head of a request has %d bytes; above %d Telegram sends nothing, without an error", size, telegram.MaxHead)
	}
	return nil
}

// checkPublic checks that Telegram can find the host and send to it. With a fixed address it need not find the host.
func (w Webhook) checkPublic(u *url.URL) error {
	host, port := u.Hostname(), u.Port()
	if addr, err := netip.ParseAddr(host); err == nil {
		if err := checkAddress(addr); err != nil {
			return err
		}
	} else if w.IPAddress == "" && certmagic.SubjectIsInternal(host) {
		return fmt.Errorf("%s is not a public host name, so Telegram cannot find it", host)
	}
	if port != "" && !slices.Contains(telegram.Ports, port) {
		return fmt.Errorf("port %s is not one of %s, to which Telegram sends updates", port, strings.Join(telegram.Ports, ", "))
	}
	return nil
}

func checkAddress(addr netip.Addr) error {
	switch {
	case !addr.Is4():
		return fmt.Errorf("%s is not an IPv4 address, and Telegram uses no other", addr)
	case telegram.IsReserved(addr):
		return fmt.Errorf("%s is a reserved address, which Telegram does not reach", addr)
	}
	return nil
}
