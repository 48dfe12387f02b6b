// Package botapi calls the methods of the Bot API that a webhook needs, those to poll
// for updates, and those that a bot's answer asks for. It calls them for one account.
// No error or result shows the bot token.
package botapi

import (
	"bytes"
	"context"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"time"
)

const (
	timeout     = 30 * time.Second // of one call, with the answer
	longTimeout = 75 * time.Second // the same, if Telegram may wait before it answers or there are files to send
	maxAnswer   = 8 << 20          // bytes; getUpdates answers with 4 MiB, the other methods with a few hundred bytes
)

// Client calls the Bot API for one bot. It is safe for concurrent use.
type Client struct {
	account *Account
	http    *http.Client
	slow    *http.Client // the same with the long time-out
}

// NewClient returns a client that uses the proxy named in the environment, or the
// transport if it is not nil. It follows no redirect, which would take the token
// elsewhere.
func NewClient(account *Account, transport http.RoundTripper) *Client {
	if transport == nil {
		transport = newTransport()
	}
	quick := http.Client{
		Transport:     transport,
		Timeout:       timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	slow := quick
	slow.Timeout = longTimeout
	return &Client{account, &quick, &slow}
}

// IsSame reports whether both clients make the same calls.
func (c *Client) IsSame(other *Client) bool {
	return *c.endpoint("") == *other.endpoint("") // the token is in it
}

// newTransport makes a transport that keeps no connections. Calls are minutes
// apart, or wait for most of one, so a kept connection would be dead; and net/http logs
// what arrives on an idle one, with the token if the server echoes requests.
func newTransport() *http.Transport {
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DisableKeepAlives:      true,
		MaxResponseHeaderBytes: 64 << 10,
	}
}

// endpoint returns the URL of a method. It holds the token.
func (c *Client) endpoint(method string) *url.URL {
	u := c.account.server.JoinPath("bot" + c.account.Reveal())
	if c.account.test {
		u = u.JoinPath("test")
	}
	return u.JoinPath(method)
}

// parameter is a parameter of a method.
type parameter struct{ name, value string }

const certificateName = "certificate" // of the one parameter that is a file

// encode returns the body of a request, and its type. Writing to memory does not fail.
func encode(parameters []parameter) (*bytes.Buffer, string) {
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for _, p := range parameters {
		if p.name == certificateName {
			file, _ := form.CreateFormFile(p.name, "certificate.pem")
			_, _ = io.WriteString(file, p.value)
		} else {
			_ = form.WriteField(p.name, p.value)
		}
	}
	_ = form.Close()
	return &body, form.FormDataContentType()
}

// do calls a method and decodes the result. Errors hide the webhook's secret too.
func (c *Client) do(ctx context.Context, method, secret string, result result, parameters ...parameter) error {
	if len(parameters) == 0 {
		return c.send(ctx, c.http, method, secret, "", nil, result)
	}
	body, contentType := encode(parameters)
	return c.send(ctx, c.http, method, secret, contentType, body.Bytes(), result)
}

// send calls a method with that body and decodes the result.
func (c *Client) send(ctx context.Context, client *http.Client, method, secret, contentType string, body []byte, result result) error {
	server := c.account.server
	call := call{method, server.Scheme + "://" + server.Host, newRedactor(c.account, secret)}
	request := (&http.Request{Method: http.MethodPost, URL: c.endpoint(method), Header: http.Header{}}).WithContext(ctx)
	if len(body) > 0 {
		request.Body, request.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		request.Header.Set("Content-Type", contentType)
	}
	answer, err := client.Do(request)
	if err != nil {
		return call.unanswered(err)
	}
	defer answer.Body.Close()
	return call.read(answer, result)
}
