package telegramtest

import (
	"crypto/x509"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/caddy-telegram/telegramwebhook/internal/telegram"
)

// someAddress stands for what a name resolves to where nobody says it.
const someAddress = "203.0.113.10"

// refusal is Telegram's word on an argument.
type refusal string

func (r refusal) Error() string { return string(r) }

// pending is a setWebhook that is not answered yet.
type pending struct {
	terminated chan struct{} // closed when a later call takes over
}

// setWebhook is setWebhook and, without a url, deleteWebhook. The order of what
// it does is Telegram's; above all, the old webhook is gone before the
// arguments of the new one are looked at.
func (a *API) setWebhook(q *query, url string) *reply {
	a.mu.Lock()
	b := a.bot(q.token)
	if url != "" {
		now := a.opt.Now()
		if now.Before(b.nextSet) {
			a.mu.Unlock()
			return retryReply(1)
		}
		b.nextSet = now.Add(telegram.SetInterval)
	}
	want, certificate := a.wanted(q, url)

	if b.pending != nil {
		close(b.pending.terminated)
		b.pending = nil
	} else if b.copying {
		a.mu.Unlock()
		return retryReply(1)
	} else if b.reg.same(want) && !q.bool("drop_pending_updates") {
		defer a.mu.Unlock()
		b.setTypes(q)
		if url == "" {
			return okReply(true, "Webhook is already deleted")
		}
		return okReply(true, "Webhook is already set")
	}

	wasSet := b.reg.url != ""
	b.erase()
	if q.bool("drop_pending_updates") {
		b.sender.forget()
	}
	if url == "" {
		defer a.mu.Unlock()
		if wasSet {
			return okReply(true, "Webhook was deleted")
		}
		return okReply(true, "Webhook is already deleted")
	}
	b.endPoll("terminated by setWebhook request")
	t, err := checkArguments(want, certificate)
	if err != nil {
		defer a.mu.Unlock()
		return errorReply(http.StatusBadRequest, "Bad Request: "+err.Error())
	}
	if want.certificate && a.opt.CopyCertificate != nil {
		b.copying = true
		a.mu.Unlock()
		a.opt.CopyCertificate()
		a.mu.Lock()
		b.copying = false
	}
	b.setTypes(q)
	b.reg = want
	p := &pending{make(chan struct{})}
	b.pending = p
	a.mu.Unlock()

	// Names may take their time. A call that comes meanwhile takes over.
	verified := make(chan error, 1)
	go func() { verified <- a.verify(t, &want, certificate) }()
	select {
	case err = <-verified:
	case <-p.terminated:
		return a.conflict(q, b, "terminated by other setWebhook")
	}

	a.mu.Lock()
	if b.pending != p {
		a.mu.Unlock()
		return a.conflict(q, b, "terminated by other setWebhook")
	}
	defer a.mu.Unlock()
	b.pending = nil
	if err != nil {
		b.erase()
		return errorReply(http.StatusBadRequest, "Bad Request: bad webhook: "+err.Error())
	}
	b.reg = want
	if !a.opt.NoDelivery {
		b.sender.SetWebhook(b.webhook())
	}
	return okReply(true, "Webhook was set")
}

// wanted returns the registration that a call asks for, and the certificate
// with it. A parameter that is not passed is not kept.
func (a *API) wanted(q *query, url string) (registration, []byte) {
	if url == "" {
		return registration{}, nil
	}
	most := telegram.MaxConnections
	if a.opt.Local {
		most = telegram.MaxLocalConnections
	}
	certificate, uploaded := q.file("certificate")
	return registration{
		url:         url,
		secret:      q.params["secret_token"],
		max:         q.int("max_connections", telegram.DefaultMaxConnections, 1, most),
		ip:          q.params["ip_address"],
		fixed:       q.params["ip_address"] != "",
		certificate: uploaded,
	}, certificate
}

// same reports whether nothing needs to be done. With a certificate on either
// side something always does.
func (r registration) same(want registration) bool {
	return r.url == want.url && !r.certificate && !want.certificate && r.max == want.max &&
		r.secret == want.secret && r.fixed == want.fixed && (!want.fixed || r.ip == want.ip)
}

// checkArguments is what is refused as a bad request before anything is tried.
func checkArguments(want registration, certificate []byte) (telegram.Target, error) {
	t, err := telegram.ParseTarget(want.url)
	switch {
	case err != nil:
		return t, refusal("invalid webhook URL specified")
	case len(want.secret) > telegram.MaxSecret:
		return t, refusal("secret token is too long")
	case strings.Trim(want.secret, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-") != "":
		return t, refusal("secret token contains unallowed characters")
	case len(certificate) > telegram.MaxCertificate:
		return t, refusal(fmt.Sprintf("certificate size is too big (%d bytes)", len(certificate)))
	}
	return t, nil
}

// verify is what Telegram tries before it answers: everything short of a
// connection. It fills in what came of it.
func (a *API) verify(t telegram.Target, want *registration, certificate []byte) error {
	if !a.opt.Local {
		if !t.TLS {
			return refusal("An HTTPS URL must be provided for webhook")
		}
		if !a.opt.AllowPort && !slices.Contains(telegram.Ports, strconv.Itoa(t.Port)) {
			return refusal("Webhook can be set up only on ports 80, 88, 443 or 8443")
		}
	}
	if want.fixed {
		addr, err := netip.ParseAddr(want.ip)
		if err != nil {
			return refusal("Invalid IP address specified")
		}
		if err := a.checkAddress(addr); err != nil {
			return err
		}
		want.dial = want.ip
	}
	if want.certificate && t.TLS {
		var err error
		if want.uploaded, err = telegram.ParseUpload(certificate); err != nil {
			return refusal("Failed to set custom certificate file{error:05800088:x509 certificate routines::no certificate or crl found}")
		}
		want.roots = x509.NewCertPool()
		for _, c := range want.uploaded {
			want.roots.AddCert(c)
		}
	}
	if !want.fixed {
		if err := a.lookup(t, want); err != nil {
			return err
		}
	}
	addr, _ := netip.ParseAddr(want.ip)
	if to := netip.AddrPortFrom(addr, uint16(t.Port)); a.opt.NoRoute != nil && a.opt.NoRoute(to) {
		return refusal(fmt.Sprintf("Failed to connect to [%v]", to))
	}
	return nil
}
