package telegramwebhook

import (
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-telegram/telegramwebhook/internal/redact"
	"github.com/caddy-telegram/telegramwebhook/internal/telegram"
)

// provision returns the handler as Caddy provisions it in a server of its own,
// accepting rightSecret and staleSecret.
func provision(t testing.TB, h *Handler) *Handler {
	t.Helper()
	h.Secret = []string{rightSecret, staleSecret}
	h.Name = cmp.Or(h.Name, "test")
	route := caddyhttp.Route{HandlersRaw: []json.RawMessage{caddyconfig.JSONModuleObject(h, "handler", "telegram_webhook", nil)}}
	server := &caddyhttp.Server{
		Listen:    []string{":0"},
		AutoHTTPS: &caddyhttp.AutoHTTPSConfig{Disabled: true},
		Routes:    caddyhttp.RouteList{route},
	}
	config := &caddy.Config{
		Logging: &caddy.Logging{Logs: map[string]*caddy.CustomLog{"default": {BaseLog: caddy.BaseLog{Level: "PANIC"}}}},
		AppsRaw: caddy.ModuleMap{"http": caddyconfig.JSON(caddyhttp.App{Servers: map[string]*caddyhttp.Server{"test": server}}, nil)},
	}
	ctx, err := caddy.ProvisionContext(config)
	if err != nil {
		t.Fatal(err)
	}
	app, err := ctx.App("http")
	if err != nil {
		t.Fatal(err)
	}
	h = app.(*caddyhttp.App).Servers["test"].Routes[0].Handlers[0].(*Handler)
	t.Cleanup(func() { _ = h.Cleanup() })
	return h
}

// request is an update as it reaches the handler, over TLS from an address.
func request(clientIP string, secrets ...string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "https://bot.example.com/", strings.NewReader("{}"))
	r.TLS = &tls.ConnectionState{}
	r.Header.Set("Content-Type", "application/json")
	if len(secrets) > 0 {
		r.Header[telegram.SecretHeader] = secrets
	}
	vars := map[string]any{caddyhttp.ClientIPVarKey: clientIP, caddyhttp.TrustedProxyVarKey: false}
	return r.WithContext(context.WithValue(r.Context(), caddyhttp.VarsCtxKey, vars))
}

const somebody = "203.0.113.9"

func TestVerify(t *testing.T) {
	for name, tc := range map[string]struct {
		handler Handler
		change  func(*http.Request)
		secrets []string
		want    result
	}{
		"the first secret":                {secrets: []string{rightSecret}, want: passed},
		"another accepted secret":         {secrets: []string{staleSecret}, want: passed},
		"no header":                       {want: noSecret},
		"what a Front leaves":             {secrets: []string{redact.Placeholder}, want: redactedSecret},
		"an empty header":                 {secrets: []string{""}, want: wrongSecret},
		"a wrong secret":                  {secrets: []string{"wrong"}, want: wrongSecret},
		"one byte off":                    {secrets: []string{rightSecret[:len(rightSecret)-1] + "L"}, want: wrongSecret},
		"a prefix":                        {secrets: []string{rightSecret[:10]}, want: wrongSecret},
		"another case":                    {secrets: []string{strings.ToUpper(rightSecret)}, want: wrongSecret},
		"the right secret twice":          {secrets: []string{rightSecret, rightSecret}, want: wrongSecret},
		"the right secret and another":    {secrets: []string{"wrong", rightSecret}, want: wrongSecret},
		"comma-joined":                    {secrets: []string{rightSecret + "," + rightSecret}, want: wrongSecret},
		"with a space":                    {secrets: []string{rightSecret + " "}, want: wrongSecret},
		"non-ASCII bytes":                 {secrets: []string{"\xff\xfe\x80пароль"}, want: wrongSecret},
		"16 KiB":                          {secrets: []string{strings.Repeat("x", 16<<10)}, want: wrongSecret},
		"the right secret and 16 KiB":     {secrets: []string{rightSecret + strings.Repeat("x", 16<<10)}, want: wrongSecret},
		"the right secret in the query":   {change: func(r *http.Request) { r.URL.RawQuery = "secret_token=" + rightSecret }, want: noSecret},
		"the right secret, another name":  {change: func(r *http.Request) { r.Header.Set("X-Telegram-Secret", rightSecret) }, want: noSecret},
		"plain HTTP":                      {change: plain, secrets: []string{rightSecret}, want: plainHTTP},
		"plain HTTP, allowed":             {handler: Handler{AllowHTTP: true}, change: plain, secrets: []string{rightSecret}, want: passed},
		"plain HTTP, a stranger's header": {change: forwarded(false, "https"), secrets: []string{rightSecret}, want: plainHTTP},
		"a trusted proxy says https":      {change: forwarded(true, "https"), secrets: []string{rightSecret}, want: passed},
		"a trusted proxy says HTTPS":      {change: forwarded(true, "HTTPS"), secrets: []string{rightSecret}, want: passed},
		"a trusted proxy says http":       {change: forwarded(true, "http"), secrets: []string{rightSecret}, want: plainHTTP},
		"two proxies, the client's first": {change: forwarded(true, "https, http"), secrets: []string{rightSecret}, want: passed},
		"two lines, the client's first":   {change: forwarded(true, "https", "http"), secrets: []string{rightSecret}, want: passed},
		"two proxies, the second https":   {change: forwarded(true, "http, https"), secrets: []string{rightSecret}, want: plainHTTP},
		"a trusted proxy says nothing":    {change: forwarded(true), secrets: []string{rightSecret}, want: plainHTTP},
		"a source outside":                {handler: Handler{Source: []string{"telegram"}}, secrets: []string{rightSecret}, want: wrongSource},
		"a source inside":                 {handler: Handler{Source: []string{"telegram", "203.0.113.0/24"}}, secrets: []string{rightSecret}, want: passed},
		"a source inside, wrong secret":   {handler: Handler{Source: []string{"203.0.113.0/24"}}, secrets: []string{"wrong"}, want: wrongSecret},
		"a raw X-Forwarded-For is nobody's word": {
			handler: Handler{Source: []string{"telegram"}},
			change:  func(r *http.Request) { r.Header.Set("X-Forwarded-For", "149.154.167.220") },
			secrets: []string{rightSecret}, want: wrongSource,
		},
		"GET":                         {change: method(http.MethodGet), secrets: []string{rightSecret}, want: wrongMethod},
		"GET without the secret":      {change: method(http.MethodGet), want: noSecret},
		"a form":                      {change: contentType("application/x-www-form-urlencoded"), secrets: []string{rightSecret}, want: wrongType},
		"no content type":             {change: contentType(), secrets: []string{rightSecret}, want: wrongType},
		"two content types":           {change: contentType("application/json", "text/plain"), secrets: []string{rightSecret}, want: wrongType},
		"JSON with a charset":         {change: contentType("Application/JSON ; charset=utf-8"), secrets: []string{rightSecret}, want: passed},
		"JSON only by its beginning":  {change: contentType("application/jsonp"), secrets: []string{rightSecret}, want: wrongType},
		"1 MiB":                       {change: length(1 << 20), secrets: []string{rightSecret}, want: passed},
		"1 MiB and a byte":            {change: length(1<<20 + 1), secrets: []string{rightSecret}, want: tooLarge},
		"its own limit":               {handler: Handler{MaxBody: 10}, change: length(11), secrets: []string{rightSecret}, want: tooLarge},
		"too large without a secret":  {change: length(1 << 30), want: noSecret},
		"unannounced length may pass": {change: length(-1), secrets: []string{rightSecret}, want: passed},
	} {
		t.Run(name, func(t *testing.T) {
			h := provision(t, &tc.handler)
			r := request(somebody, tc.secrets...)
			if tc.change != nil {
				tc.change(r)
			}
			if got := verify(h, r); got != tc.want {
				t.Errorf("got %s, want %s", results[got].name, results[tc.want].name)
			}
			if n := testing.AllocsPerRun(100, func() { verify(h, r) }); n != 0 {
				t.Errorf("the check allocates %v times, want 0", n)
			}
		})
	}
}

// verify judges a request as ServeHTTP does first.
func verify(h *Handler, r *http.Request) result {
	secrets, state := redact.Values(r)
	return h.verify(r, secrets, state)
}

func plain(r *http.Request)               { r.TLS = nil }
func method(m string) func(*http.Request) { return func(r *http.Request) { r.Method = m } }
func length(n int64) func(*http.Request)  { return func(r *http.Request) { r.ContentLength = n } }
func contentType(values ...string) func(*http.Request) {
	return func(r *http.Request) { r.Header["Content-Type"] = values }
}

// forwarded is a request from a proxy that says by which scheme it was asked.
func forwarded(trusted bool, proto ...string) func(*http.Request) {
	return func(r *http.Request) {
		r.TLS = nil
		r.Header["X-Forwarded-Proto"] = proto
		caddyhttp.SetVar(r.Context(), caddyhttp.TrustedProxyVarKey, trusted)
	}
}
