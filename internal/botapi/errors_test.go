package botapi

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
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
	"deleteWebhook":  func(c *Client, ctx context.Context) error { return c.DeleteWebhook(ctx, true) },
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

	for name, tc := range map[string]struct {
		client *Client
		is     error
		want   string
	}{
		"refused": {
			client(t, "http://"+closed), syscall.ECONNREFUSED,
			"http://" + closed + " refuses connections (dial tcp " + closed + ": connect: connection refused); check that it runs, and the api URL",
		},
		"no such name": {
			dials(&net.DNSError{Err: "no such host", Name: "bot-api.example", IsNotFound: true}), nil,
			api + " cannot be resolved (dial tcp: lookup bot-api.example: no such host); check DNS and the api URL",
		},
		"dialing takes too long": {
			dials(os.ErrDeadlineExceeded), context.DeadlineExceeded,
			api + " did not answer in time; check the network, and whether a proxy is needed (HTTPS_PROXY)",
		},
		"unreachable network": {
			dials(syscall.ENETUNREACH), syscall.ENETUNREACH,
			api + " failed: dial tcp: network is unreachable",
		},
		"untrusted certificate": {
			client(t, untrusted.URL), nil,
			untrusted.URL + " is not trusted (tls: failed to verify certificate: x509: certificate signed by unknown authority); check this system's clock and CA certificates, and what intercepts TLS",
		},
		"no TLS": {
			client(t, strings.Replace(plain.URL, "http:", "https:", 1)), http.ErrSchemeMismatch,
			strings.Replace(plain.URL, "http:", "https:", 1) + " does not speak TLS; a local Bot API server needs http:// in the api URL",
		},
		"TLS alert": {
			fails(func(*http.Request) error { return &net.OpError{Op: "remote error", Err: tls.AlertError(40)} }), tls.AlertError(40),
			api + " failed: remote error: tls: handshake failure",
		},
		"hangs up": {client(t, hangsUp.URL), io.EOF, hangsUp.URL + " closed the connection without an answer"},
		"sends the request back": {
			client(t, echoes.URL), nil,
			echoes.URL + ` failed: net/http: HTTP/1.x transport connection broken: malformed HTTP response "/bot[hidden]/`,
		},
		"redirect that is no URL": {client(t, redirects.URL), nil, `failed to parse Location header "http://%zz/bot[hidden]/`},
		"transport that tells the URL": {
			fails(func(r *http.Request) error { return fmt.Errorf("cannot send to %v: %w", r.URL, io.ErrClosedPipe) }), io.ErrClosedPipe,
			api + " failed: cannot send to https://bot-api.example/bot[hidden]/",
		},
		"transport that wraps the URL": {
			fails(func(r *http.Request) error {
				return errors.Join(&url.Error{Op: "Retry", URL: r.URL.String(), Err: syscall.EPIPE}, echo{r.URL.String()})
			}), syscall.EPIPE,
			api + ` failed: Retry "https://bot-api.example/bot[hidden]/`,
		},
		"transport that tells the body": {
			fails(func(r *http.Request) error {
				var b []byte
				if r.Body != nil {
					b, _ = io.ReadAll(r.Body)
				}
				return echo{"cannot send: " + string(b)}
			}), nil,
			api + " failed: cannot send:",
		},
		"transport that changes the case": {
			fails(func(r *http.Request) error { return echo{strings.ToUpper(url.QueryEscape(r.URL.String()))} }), nil,
			api + " failed: HTTPS%3A%2F%2FBOT-API.EXAMPLE%2FBOT[hidden]%2F",
		},
		"host that holds the token": {
			clientOver(t, "https://"+plantedHalf+".example", roundTrip(func(*http.Request) (*http.Response, error) { return nil, io.ErrClosedPipe })), io.ErrClosedPipe,
			"the call to https://[hidden].example failed: io: read/write on closed pipe",
		},
		"transport that cuts the token": {
			fails(func(*http.Request) error { return echo{"no such path: /bot" + plantedToken[:24]} }), nil,
			api + " failed: no such path: /bot[hidden]",
		},
	} {
		t.Run(name, func(t *testing.T) {
			for method, call := range calls {
				err := call(tc.client, context.Background())
				if err == nil || !strings.HasPrefix(err.Error(), method+": ") || !strings.Contains(err.Error(), tc.want) {
					t.Errorf("got %v", err)
				}
				checkFailure(t, err, tc.is)
			}
		})
	}
}

// checkFailure checks what holds for every error that is no refusal.
func checkFailure(t *testing.T, err, target error) {
	t.Helper()
	search(t, "the error", err)
	if target != nil && !errors.Is(err, target) {
		t.Errorf("%v is not %v", err, target)
	}
	for _, other := range []error{context.Canceled, context.DeadlineExceeded, syscall.ECONNREFUSED, io.EOF, io.ErrUnexpectedEOF} {
		if other != target && errors.Is(err, other) {
			t.Errorf("%v is %v", err, other)
		}
	}
	if is[*Error](err) {
		t.Errorf("%v is a refusal", err)
	}
	if err != nil && len(err.Error()) > 1024 {
		t.Errorf("an error of %d bytes", len(err.Error()))
	}
}

func TestInterrupted(t *testing.T) {
	const short = 20 * time.Millisecond
	const late = " did not answer in time; check the network, and whether a proxy is needed (HTTPS_PROXY)"
	for name, tc := range map[string]struct {
		answer  string
		context time.Duration // how long the context lasts; 0 for ever
		client  time.Duration // how long the client waits; 0 for ever
		is      error
		want    string
	}{
		"no answer in the context's time":      {"", short, 0, context.DeadlineExceeded, late},
		"half an answer in the context's time": {`{"ok":`, short, 0, context.DeadlineExceeded, late},
		"no answer in the client's time":       {"", 0, short, context.DeadlineExceeded, late},
		"half an answer in the client's time":  {`{"ok":`, 0, short, context.DeadlineExceeded, late},
		"canceled":                             {"", 0, 0, context.Canceled, "the call was canceled"},
		"canceled within the answer":           {`{"ok":`, 0, 0, context.Canceled, "the call was canceled"},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(context.Background())
			defer cancel(nil)
			if tc.context > 0 {
				var stop context.CancelFunc
				ctx, stop = context.WithTimeout(ctx, tc.context)
				defer stop()
			}
			reason := errors.New("shutting down")
			s := serve(t, func(w http.ResponseWriter, r *http.Request) {
				io.Copy(io.Discard, r.Body)
				if tc.answer != "" {
					io.WriteString(w, tc.answer)
					w.(http.Flusher).Flush()
				}
				if tc.is == context.Canceled {
					cancel(reason)
				}
				<-r.Context().Done()
			})
			c := client(t, s.URL)
			c.http.Timeout = tc.client
			_, err := c.GetWebhookInfo(ctx)
			if err == nil || !strings.HasPrefix(err.Error(), "getWebhookInfo: ") || !strings.HasSuffix(err.Error(), tc.want) {
				t.Errorf("got %v", err)
			}
			checkFailure(t, err, tc.is)
			if tc.is == context.Canceled && !errors.Is(err, reason) {
				t.Errorf("%v is not what the context was canceled for", err)
			}
		})
	}
}

// What the end of a context does to a connection is not what has gone wrong.
func TestTimeIsUpBeforeTheTransportNotices(t *testing.T) {
	ctx, stop := context.WithTimeout(context.Background(), time.Millisecond)
	defer stop()
	transport := roundTrip(func(r *http.Request) (*http.Response, error) {
		<-r.Context().Done()
		return nil, &net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}
	})
	_, err := clientOver(t, "", transport).GetWebhookInfo(ctx)
	if err == nil || !strings.Contains(err.Error(), "did not answer in time") || !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("got %v", err)
	}
}
