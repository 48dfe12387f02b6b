// Package botapi calls the methods of the Bot API that a webhook needs, those to poll for updates, and those that a
// bot's answer asks for. It calls them for one account. No error or result shows the bot token.
package botapi

import (
	"bytes"
	"context"
	"encoding/json"
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
}

// NewClient returns a client that uses the proxy named in the environment, or the transport if it is not nil. It
// follows no redirect, which would take the token elsewhere.
func NewClient(account *Account, transport http.RoundTripper) *Client {
	if transport == nil {
		// It keeps no connections. Calls are minutes apart, or wait for most of one, so a kept connection would be
		// dead; and net/http logs what arrives on an idle one, with the token if the server echoes requests.
		transport = &http.Transport{
			Proxy:                  http.ProxyFromEnvironment,
			DisableKeepAlives:      true,
			MaxResponseHeaderBytes: 64 << 10,
		}
	}
	return &Client{account, &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// IsSame reports whether both clients make the same calls.
func (c *Client) IsSame(other *Client) bool {
	return *c.endpoint("") == *other.endpoint("") // the token is in it
}

// endpoint returns the URL of a method. It holds the token.
func (c *Client) endpoint(method string) *url.URL {
	u := c.account.server.JoinPath("bot" + c.account.Reveal())
	if c.account.test {
		u = u.JoinPath("test")
	}
	return u.JoinPath(method)
}

// call is a call of a method, with parameters or with a body that has them.
type call struct {
	method      string
	parameters  []parameter
	body        []byte
	contentType string
	secret      string // of the webhook, which errors hide too
	long        bool   // it may take longer than others
}

// parameter is a parameter of a method.
type parameter struct{ name, value string }

const certificateName = "certificate" // of the one parameter that is a file

// encode writes the parameters into the body. Writing to memory does not fail.
func (c *call) encode() {
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for _, p := range c.parameters {
		if p.name == certificateName {
			file, _ := form.CreateFormFile(p.name, "certificate.pem")
			_, _ = io.WriteString(file, p.value)
		} else {
			_ = form.WriteField(p.name, p.value)
		}
	}
	_ = form.Close()
	c.body, c.contentType = body.Bytes(), form.FormDataContentType()
}

// do makes a call, and has accept take the result.
func (c *Client) do(ctx context.Context, call call, accept func(result json.RawMessage) bool) error {
	within := timeout
	if call.long {
		within = longTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	if len(call.parameters) > 0 {
		call.encode()
	}
	request := (&http.Request{Method: http.MethodPost, URL: c.endpoint(call.method), Header: http.Header{}}).WithContext(ctx)
	if len(call.body) > 0 {
		request.Body, request.ContentLength = io.NopCloser(bytes.NewReader(call.body)), int64(len(call.body))
		request.Header.Set("Content-Type", call.contentType)
	}
	answer, err := c.http.Do(request)
	if err == nil {
		defer answer.Body.Close()
		err = read(answer, accept)
	}
	return c.explain(call, err)
}
