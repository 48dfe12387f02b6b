// Package botapi is the Bot API client, with the three methods that a webhook
// needs, and the account that it speaks for. Whatever goes wrong, nothing that it
// returns shows the bot token.
package botapi

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"net/url"
	"time"
)

const (
	// timeout bounds one call, from the connection to the end of the answer.
	timeout = 30 * time.Second

	// maxAnswer is how much of an answer is read. Those of the methods called
	// here have a few hundred bytes.
	maxAnswer = 1 << 20
)

// Client calls the Bot API for one bot. It may be used from any number of
// goroutines.
type Client struct {
	account *Account
	http    *http.Client
}

// NewClient returns a client that uses the proxy named in the environment
// (HTTP_PROXY, HTTPS_PROXY, NO_PROXY), or that transport if it is not nil. A call
// takes at most 30 seconds. Redirects are not followed: they would take the token
// elsewhere.
func NewClient(account *Account, transport http.RoundTripper) *Client {
	if transport == nil {
		transport = newTransport()
	}
	return &Client{account, &http.Client{
		Transport:     transport,
		Timeout:       timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
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
	u := c.account.server.JoinPath("bot" + c.account.Reveal())
	if c.account.test {
		u = u.JoinPath("test")
	}
	return u.JoinPath(method)
}

// parameter is one that a method is called with.
type parameter struct {
	name, value string
	isFile      bool
}

// encode returns the body of a request, and its type.
func encode(parameters []parameter) (*bytes.Buffer, string) {
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for _, p := range parameters {
		var part io.Writer
		// Writing to memory does not fail.
		if p.isFile {
			part, _ = form.CreateFormFile(p.name, p.name+".pem")
		} else {
			part, _ = form.CreateFormField(p.name)
		}
		_, _ = io.WriteString(part, p.value)
	}
	_ = form.Close()
	return &body, form.FormDataContentType()
}

// do calls a method and decodes the result.
func (c *Client) do(ctx context.Context, method, secretToken string, parameters []parameter, result result) error {
	server := c.account.server
	call := call{method, server.Scheme + "://" + server.Host, newRedactor(c.account, secretToken)}
	request := (&http.Request{Method: http.MethodPost, URL: c.endpoint(method), Header: http.Header{}}).WithContext(ctx)
	if len(parameters) > 0 {
		body, contentType := encode(parameters)
		request.Body, request.ContentLength = io.NopCloser(body), int64(body.Len())
		request.Header.Set("Content-Type", contentType)
	}
	answer, err := c.http.Do(request)
	if err != nil {
		return call.unreachable(ctx, err)
	}
	defer answer.Body.Close()
	return call.read(ctx, answer, result)
}
