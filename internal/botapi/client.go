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
	timeout   = 30 * time.Second // of one call, from the connection to the end of the answer
	maxAnswer = 1 << 20          // bytes that are read; the methods called here answer with a few hundred
)

// Client calls the Bot API for one bot. It is safe for concurrent use.
type Client struct {
	account *Account
	http    *http.Client
}

// NewClient returns a client that uses the proxy named in the environment, or that
// transport if it is not nil. Redirects are not followed: they would take the token
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

// parameters are what a method is called with.
type parameters struct {
	fields      [][2]string // name and value
	certificate []byte      // a file, unless it is empty
	secret      string      // the value that no error may hold
}

// encode returns the body of a request, and its type. Writing to memory does not fail.
func (p parameters) encode() (*bytes.Buffer, string) {
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for _, field := range p.fields {
		_ = form.WriteField(field[0], field[1])
	}
	if len(p.certificate) > 0 {
		file, _ := form.CreateFormFile("certificate", "certificate.pem")
		_, _ = file.Write(p.certificate)
	}
	_ = form.Close()
	return &body, form.FormDataContentType()
}

// do calls a method and decodes the result.
func (c *Client) do(ctx context.Context, method string, p parameters, result result) error {
	server := c.account.server
	call := call{method, server.Scheme + "://" + server.Host, newRedactor(c.account, p.secret)}
	request := (&http.Request{Method: http.MethodPost, URL: c.endpoint(method), Header: http.Header{}}).WithContext(ctx)
	if len(p.fields) > 0 {
		body, contentType := p.encode()
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
