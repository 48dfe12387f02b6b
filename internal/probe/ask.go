package probe

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/caddy-telegram/telegramwebhook/internal/samples"
	"github.com/caddy-telegram/telegramwebhook/internal/wire"
)

// MaxRequests is how many connections an audit may make. It needs fewer; this
// holds whatever the webhook answers.
const MaxRequests = 40

// patience is how long a webhook has for what needs no bot: to connect, and to
// refuse. An update has as long as Telegram gives it.
const patience = 10 * time.Second

var errTooMany = fmt.Errorf("more than %d requests would be needed", MaxRequests)

// dial opens a connection and counts it.
func (a *audit) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if a.made >= MaxRequests {
		return nil, errTooMany
	}
	a.made++
	return a.opt.Dial(ctx, network, address)
}

// open connects to a port of the webhook's host.
func (a *audit) open(ctx context.Context, t wire.Target, config *tls.Config) (*wire.Conn, error) {
	return a.openAt(ctx, a.ip, t, config)
}

func (a *audit) openAt(ctx context.Context, ip netip.Addr, t wire.Target, config *tls.Config) (*wire.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return wire.Open(ctx, a.dial, t.Address(ip.String()), config)
}

// update is one that bots ignore: it has an id and nothing else.
func update() []byte { return fmt.Appendf(nil, `{"update_id":%d}`, samples.ID()) }

// ask makes a request without the secret. Whatever certificate there is will do.
func (a *audit) ask(ctx context.Context, t wire.Target, request []byte) *wire.Answer {
	return a.askWithin(ctx, patience, t, request)
}

func (a *audit) askWithin(ctx context.Context, timeout time.Duration, t wire.Target, request []byte) *wire.Answer {
	return a.exchange(ctx, t, request, a.anyCertificate(t), timeout)
}

// askWithSecret makes a request with the secret, over a connection that may know
// it. How the request differs from one of Telegram's, change says.
func (a *audit) askWithSecret(ctx context.Context, change func([]byte) []byte) *wire.Answer {
	var config *tls.Config
	if a.target.TLS {
		config = wire.TLSConfig(a.target.ServerName(), a.opt.Roots)
		if a.opt.Insecure {
			config = a.anyCertificate(a.target)
		}
	}
	return a.exchange(ctx, a.target, change(a.target.Request(a.opt.Secret, update())), config, wire.Timeout)
}

func (a *audit) anyCertificate(t wire.Target) *tls.Config {
	if !t.TLS {
		return nil
	}
	return &tls.Config{ServerName: t.ServerName(), InsecureSkipVerify: true}
}

func (a *audit) exchange(ctx context.Context, t wire.Target, request []byte, config *tls.Config, timeout time.Duration) *wire.Answer {
	if request == nil {
		return &wire.Answer{Err: errors.New("the url is so long that Telegram would send nothing")}
	}
	conn, err := a.open(ctx, t, config)
	if err != nil {
		return &wire.Answer{Err: unopened{err}}
	}
	defer conn.Close()
	answer := conn.Exchange(request, timeout)
	a.answers = append(a.answers, answer)
	return answer
}

// asGET is a request that is no POST.
func asGET(request []byte) []byte { return bytes.Replace(request, []byte("POST "), []byte("GET "), 1) }

// asText is a request that is not JSON, by its type.
func asText(request []byte) []byte {
	return bytes.Replace(request, []byte("Content-Type: application/json"), []byte("Content-Type: text/plain"), 1)
}

func unchanged(request []byte) []byte { return request }
