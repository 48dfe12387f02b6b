// Package botapi calls the three methods of the Bot API that a webhook needs.
// Whatever goes wrong, nothing that it returns shows the bot token.
package botapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"time"
)

const (
	// DefaultAPI is Telegram's own Bot API server.
	DefaultAPI = "https://api.telegram.org"

	// timeout bounds one call, from the connection to the end of the answer.
	timeout = 30 * time.Second

	// maxAnswer is how much of an answer is read. Those of the methods called
	// here have a few hundred bytes.
	maxAnswer = 1 << 20
)

// Options say which Bot API server is called, and how.
type Options struct {
	// API is the base URL of the Bot API server; default DefaultAPI. A server of
	// one's own may be called with http://, but Telegram's may not: the token
	// would travel in clear.
	API string

	// Test calls Telegram's test environment.
	Test bool

	// HTTP is the client to call with. The default is a client of its own that
	// uses the proxy named in the environment (HTTP_PROXY, HTTPS_PROXY,
	// NO_PROXY), takes at most 30 seconds for a call and keeps no connection.
	// Redirects are not followed in any case: they would take the token elsewhere.
	HTTP *http.Client
}

// CheckAPI reports why a base URL cannot be used. The error never holds the URL,
// which may have a password in it.
func CheckAPI(api string) error {
	_, err := parseAPI(api)
	return err
}

// IsTelegram reports whether a base URL is that of Telegram's own server, with
// its rules for webhooks, and not of a local one.
func IsTelegram(api string) bool {
	u, err := parseAPI(api)
	return err == nil && strings.EqualFold(strings.TrimSuffix(u.Hostname(), "."), "api.telegram.org")
}

func parseAPI(api string) (*url.URL, error) {
	if api == "" {
		api = DefaultAPI
	}
	u, err := url.Parse(api)
	if err != nil || u.Hostname() == "" || u.Scheme != "https" && u.Scheme != "http" {
		return nil, errors.New("is not the URL of a Bot API server; it must look like " + DefaultAPI)
	}
	if u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		return nil, errors.New("has a query or a fragment; a Bot API server's URL ends before them")
	}
	host := "." + strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
	if u.Scheme == "http" && strings.HasSuffix(host, ".telegram.org") {
		return nil, errors.New("would send the bot token in clear; use https:// (http:// is for a local Bot API server)")
	}
	if u.Path == "" {
		u.Path = "/" // else JoinPath makes a path without one
	}
	return u, nil
}

// Client calls the Bot API for one bot. It may be used from any number of
// goroutines.
type Client struct {
	token Token
	base  *url.URL
	fault error // why nothing can be called
	test  bool
	http  *http.Client
}

// New makes a client. Options that cannot be used make every call fail; CheckAPI
// tells beforehand.
func New(token Token, options Options) *Client {
	c := &Client{token: token, test: options.Test}
	var err error
	c.base, err = parseAPI(options.API)
	switch {
	case token == Token{}:
		c.fault = errors.New("there is no bot token")
	case err != nil:
		c.fault = fmt.Errorf("the api URL %w", err)
	}
	own := http.Client{Timeout: timeout, Transport: newTransport()}
	if options.HTTP != nil {
		own = *options.HTTP
	}
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	c.http = &own
	return c
}

// newTransport makes a transport that keeps no connections. Calls are minutes
// apart, so a kept one would only be found dead; and net/http logs, token and
// all, what a server that echoes requests sends on an idle one.
func newTransport() *http.Transport {
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		OnProxyConnectResponse: checkProxy,
		DialContext:            (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
		TLSHandshakeTimeout:    10 * time.Second,
		DisableKeepAlives:      true,
		MaxResponseHeaderBytes: 64 << 10,
	}
}

// checkProxy makes a proxy's refusal an error that says that it is the proxy's.
func checkProxy(_ context.Context, _ *url.URL, _ *http.Request, answer *http.Response) error {
	if answer.StatusCode == http.StatusOK {
		return nil
	}
	return &net.OpError{Op: opProxy, Net: "tcp", Err: fmt.Errorf("the proxy answers %s", answer.Status)}
}

// endpoint is the URL of a method. It holds the token, so it goes into the
// request and nowhere else.
func (c *Client) endpoint(method string) *url.URL {
	u := c.base.JoinPath("bot" + c.token.value())
	if c.test {
		u = u.JoinPath("test")
	}
	return u.JoinPath(method)
}

// do sends a request and decodes the result.
func (c *Client) do(ctx context.Context, method string, p parameters, result any) error {
	attempt := call{method: method, redact: newRedactor(c.token).and(p.secret)}
	if c.fault != nil {
		return attempt.fail(c.fault, "%v", c.fault)
	}
	attempt.server = c.base.Scheme + "://" + c.base.Host
	body, contentType, err := p.encode()
	if err != nil {
		return attempt.fail(err, "the parameters cannot be encoded: %v", err)
	}
	request := (&http.Request{
		Method:        http.MethodPost,
		URL:           c.endpoint(method),
		Header:        http.Header{"Content-Type": {contentType}},
		Body:          io.NopCloser(body),
		ContentLength: int64(body.Len()),
	}).WithContext(untraced{ctx})
	answer, err := c.http.Do(request)
	if err != nil {
		return attempt.unreachable(ctx, err)
	}
	defer answer.Body.Close()
	return attempt.read(ctx, answer, result)
}

// untraced is a context without the httptrace.ClientTrace in it. Over HTTP/2 a
// trace is shown the path, and with it the token.
type untraced struct{ context.Context }

func (c untraced) Value(key any) any {
	v := c.Context.Value(key)
	if _, ok := v.(*httptrace.ClientTrace); ok {
		return nil
	}
	return v
}
