package botapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"time"
)

// calls are the three methods.
var calls = map[string]func(*Client, context.Context) error{
	"setWebhook": func(c *Client, ctx context.Context) error {
		return c.SetWebhook(ctx, Webhook{URL: "https://bot.example.com/", Secret: plantedSecret, Certificate: []byte(certificate)}, false)
	},
	"getWebhookInfo": func(c *Client, ctx context.Context) error { _, err := c.GetWebhookInfo(ctx); return err },
	"deleteWebhook":  func(c *Client, ctx context.Context) error { return c.DeleteWebhook(ctx) },
}

// echo fails as a transport does that puts all it knows into its errors.
type echo struct{ text string }

func (e echo) Error() string { return e.text }

func TestUnreachable(t *testing.T) {
	const api = "https://bot-api.example"
	fails := func(f func(*http.Request) error) *Client {
		return clientOver(t, api, roundTrip(func(r *http.Request) (*http.Response, error) { return nil, f(r) }))
	}
	dials := func(err error) *Client {
		return clientOver(t, api, &http.Transport{
			DialContext: func(context.Context, string, string) (net.Conn, error) {
				return nil, &net.OpError{Op: "dial", Net: "tcp", Err: err}
			},
		})
	}
	closed := closedPort(t)
	plain := serve(t, reply(200, noWebhook))
	untrusted := httptest.NewTLSServer(reply(200, noWebhook))
	defer untrusted.Close()
	hangsUp := serve(t, raw(func(*http.Request) string { return "" }))
	echoes := serve(t, raw(func(r *http.Request) string { return r.RequestURI + "\r\n\r\n" }))
	redirects := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", "http://%zz"+r.URL.Path)
		w.WriteHeader(http.StatusFound)
	})

	const check = "; check the network, DNS, the proxy (HTTPS_PROXY) and the api URL"
	for name, tc := range map[string]struct {
		client *Client
		want   string
	}{
		"refused":      {client(t, "http://"+closed), "http://" + closed + ": dial tcp " + closed + ": connect: connection refused" + check},
		"no such name": {dials(&net.DNSError{Err: "no such host", Name: "bot-api.example", IsNotFound: true}), api + ": dial tcp: lookup bot-api.example: no such host" + check},
		"untrusted certificate": {
			client(t, untrusted.URL), untrusted.URL + ": tls: failed to verify certificate: x509: certificate signed by unknown authority" + check,
		},
		"no TLS": {
			client(t, strings.Replace(plain.URL, "http:", "https:", 1)),
			strings.Replace(plain.URL, "http:", "https:", 1) + ": http: server gave HTTP response to HTTPS client" + check,
		},
		"hangs up":                {client(t, hangsUp.URL), hangsUp.URL + ": EOF" + check},
		"sends the request back":  {client(t, echoes.URL), echoes.URL + `: net/http: HTTP/1.x transport connection broken: malformed HTTP response "/bot[hidden]/`},
		"redirect that is no URL": {client(t, redirects.URL), `failed to parse Location header "http://%zz/bot[hidden]/`},
		"transport that tells the URL": {
			fails(func(r *http.Request) error { return fmt.Errorf("cannot send to %v: %w", r.URL, io.ErrClosedPipe) }),
			api + ": cannot send to https://bot-api.example/bot[hidden]/",
		},
		"transport that wraps the URL": {
			fails(func(r *http.Request) error {
				return errors.Join(&url.Error{Op: "Retry", URL: r.URL.String(), Err: syscall.EPIPE}, echo{r.URL.String()})
			}),
			api + `: Retry "https://bot-api.example/bot[hidden]/`,
		},
		"transport that tells the body": {
			fails(func(r *http.Request) error {
				var b []byte
				if r.Body != nil {
					b, _ = io.ReadAll(r.Body)
				}
				return echo{"cannot send: " + string(b)}
			}),
			api + ": cannot send:",
		},
		"transport that changes the case": {
			fails(func(r *http.Request) error { return echo{strings.ToUpper(url.QueryEscape(r.URL.String()))} }),
			api + ": HTTPS%3A%2F%2FBOT-API.EXAMPLE%2FBOT[hidden]%2F",
		},
		"host that holds the token": {
			clientOver(t, "https://"+plantedHalf+".example", roundTrip(func(*http.Request) (*http.Response, error) { return nil, io.ErrClosedPipe })),
			"no answer from https://[hidden].example: io: read/write on closed pipe",
		},
		"transport that cuts the token": {
			fails(func(*http.Request) error { return echo{"no such path: /bot" + plantedToken[:24]} }), api + ": no such path: /bot[hidden]",
		},
	} {
		t.Run(name, func(t *testing.T) {
			for method, call := range calls {
				err := call(tc.client, context.Background())
				if err == nil || !strings.HasPrefix(err.Error(), method+": ") || !strings.Contains(err.Error(), tc.want) {
					t.Errorf("got %v", err)
				}
				checkFailure(t, err)
			}
		})
	}
}

// checkFailure checks what holds for every error that is no refusal.
func checkFailure(t *testing.T, err error) {
	t.Helper()
	search(t, "the error", err)
	if _, ok := errors.AsType[*Error](err); ok {
		t.Errorf("%v is a refusal", err)
	}
	if err != nil && len(err.Error()) > 1024 {
		t.Errorf("an error of %d bytes", len(err.Error()))
	}
}

// TestEnded ends the context of a call, or the time of the client, before the answer has
// come or when half of it has.
func TestEnded(t *testing.T) {
	const short = 20 * time.Millisecond
	for name, tc := range map[string]struct {
		answer          string
		context, client time.Duration // how long they last; 0 for ever
	}{
		"no answer in the context's time":      {"", short, 0},
		"half an answer in the context's time": {`{"ok":`, short, 0},
		"no answer in the client's time":       {"", 0, short},
		"half an answer in the client's time":  {`{"ok":`, 0, short},
	} {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			if tc.context > 0 {
				var stop context.CancelFunc
				ctx, stop = context.WithTimeout(ctx, tc.context)
				defer stop()
			}
			s := serve(t, func(w http.ResponseWriter, r *http.Request) {
				io.Copy(io.Discard, r.Body)
				if tc.answer != "" {
					io.WriteString(w, tc.answer)
					w.(http.Flusher).Flush()
				}
				<-r.Context().Done()
			})
			c := client(t, s.URL)
			c.http.Timeout = tc.client
			_, err := c.GetWebhookInfo(ctx)
			if err == nil || !strings.HasPrefix(err.Error(), "getWebhookInfo: no answer from "+s.URL+": time-out;") {
				t.Errorf("got %v", err)
			}
			checkFailure(t, err)
		})
	}
}
