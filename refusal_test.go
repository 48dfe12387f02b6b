package telegramwebhook

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddy-telegram/telegramwebhook/internal/boundedlog"
	"github.com/caddy-telegram/telegramwebhook/internal/deliver"
	"github.com/caddy-telegram/telegramwebhook/internal/registrar"
)

// countingReader is a body that counts what is read of it.
type countingReader struct {
	r io.Reader
	n int
}

func (c *countingReader) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.n += n
	return n, err
}

func (*countingReader) Close() error { return nil }

// TestRefusalsLookAlike compares everything that a stranger gets to see.
func TestRefusalsLookAlike(t *testing.T) {
	h := provision(t, &Handler{Source: []string{somebody}})
	for name, r := range map[string]*http.Request{
		"no secret":    request(somebody),
		"wrong secret": request(somebody, "wrong"),
		"two secrets":  request(somebody, rightSecret, rightSecret),
		"wrong source": request("192.0.2.1", rightSecret),
		"GET":          func() *http.Request { r := request(somebody); r.Method = http.MethodGet; return r }(),
		"a form":       func() *http.Request { r := request(somebody); r.Header.Set("Content-Type", "text/plain"); return r }(),
	} {
		t.Run(name, func(t *testing.T) {
			body := &countingReader{r: strings.NewReader("{}")}
			r.Body = body
			w := httptest.NewRecorder()
			w.Header().Set("Server", "Caddy")
			w.Header().Set("Alt-Svc", `h3=":443"`)
			err := h.ServeHTTP(w, r, caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error {
				t.Error("the request reached the bot")
				return nil
			}))
			if err != nil {
				t.Errorf("got the error %v, want none: errors are logged with the request", err)
			}
			if w.Code != http.StatusForbidden || w.Body.Len() > 0 {
				t.Errorf("got %d %q, want a bare 403", w.Code, w.Body)
			}
			if len(w.Header()) != 1 || w.Header().Get("Strict-Transport-Security") != deliver.DefaultHSTS {
				t.Errorf("headers: got %v, want HSTS alone", w.Header())
			}
			if body.n > 0 {
				t.Errorf("%d bytes of the body were read, want none", body.n)
			}
			if skip, _ := caddyhttp.GetVar(r.Context(), caddyhttp.LogSkipVar).(bool); !skip {
				t.Error("the refusal goes to the access log")
			}
		})
	}
}

// TestRefusalKeepsTheSitesHSTS leaves a policy alone that the site has set.
func TestRefusalKeepsTheSitesHSTS(t *testing.T) {
	h := provision(t, new(Handler))
	w := httptest.NewRecorder()
	w.Header().Set("Strict-Transport-Security", "max-age=63072000")
	_ = h.ServeHTTP(w, request(somebody), nil)
	if v := w.Header().Values("Strict-Transport-Security"); len(v) != 1 || v[0] != "max-age=63072000" {
		t.Errorf("got %q, want the site's", v)
	}
}

// TestLongHostAndPath bounds what a stranger can write into the audit log.
func TestLongHostAndPath(t *testing.T) {
	core, logs := observer.New(zap.WarnLevel)
	h := provision(t, new(Handler))
	h.refused = boundedlog.New(zap.New(core), zap.WarnLevel, "refused", h.nameField, resultNames()...)
	r := request(somebody)
	r.Host, r.URL.Path = strings.Repeat("h", 10_000), "/"+strings.Repeat("p", 10_000)
	_ = h.ServeHTTP(httptest.NewRecorder(), r, nil)
	for _, field := range []string{"host", "path"} {
		if n := len(logs.All()[0].ContextMap()[field].(string)); n != 256+len("…") {
			t.Errorf("%s: %d bytes are logged, want %d and an ellipsis", field, n, 256)
		}
	}
}

// TestTokenInPath keeps a bot token out of the log that a path holds.
func TestTokenInPath(t *testing.T) {
	core, logs := observer.New(zap.WarnLevel)
	h := provision(t, new(Handler))
	account, err := registrar.NewAccount(botToken, "", false)
	if err != nil {
		t.Fatal(err)
	}
	h.registering = &registering{Account: account}
	h.refused = boundedlog.New(zap.New(core), zap.WarnLevel, "refused", h.nameField, resultNames()...)
	r := request(somebody)
	r.URL.Path = "/bot" + botToken + "/update"
	_ = h.ServeHTTP(httptest.NewRecorder(), r, nil)
	if path := logs.All()[0].ContextMap()["path"]; path != "/bot[hidden]/update" {
		t.Errorf("the log has %v", path)
	}
	h.registering = nil
}
