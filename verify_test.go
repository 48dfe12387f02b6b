package telegramwebhook

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddy-telegram/telegramwebhook/internal/answer"
	"github.com/caddy-telegram/telegramwebhook/internal/audit"
	"github.com/caddy-telegram/telegramwebhook/internal/registrar"
	"github.com/caddy-telegram/telegramwebhook/internal/secret"
)

// provision makes a handler that accepts rightSecret and staleSecret, outside
// of any configuration.
func provision(t testing.TB, h *Handler) *Handler {
	t.Helper()
	h.Secret = []string{rightSecret, staleSecret}
	h.Name = cmpName(h.Name)
	ctx, err := caddy.ProvisionContext(new(caddy.Config))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := caddy.NewContext(ctx)
	t.Cleanup(cancel)
	if err := h.Provision(ctx); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Cleanup() })
	return h
}

func cmpName(name string) string {
	if name == "" {
		return "test"
	}
	return name
}

// request is an update as it reaches the handler, over TLS from an address.
func request(clientIP string, secrets ...string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "https://bot.example.com/", strings.NewReader("{}"))
	r.TLS = &tls.ConnectionState{}
	r.Header.Set("Content-Type", "application/json")
	if len(secrets) > 0 {
		r.Header[secret.Header] = secrets
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
		want    verdict
	}{
		"the first secret":                {secrets: []string{rightSecret}, want: passed},
		"another accepted secret":         {secrets: []string{staleSecret}, want: passed},
		"no header":                       {want: noSecret},
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
		"a trusted proxy says both":       {change: forwarded(true, "https", "http"), secrets: []string{rightSecret}, want: plainHTTP},
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
			if got, _ := h.verify(r); got != tc.want {
				t.Errorf("got %s, want %s", verdicts[got], verdicts[tc.want])
			}
			if n := testing.AllocsPerRun(100, func() { h.verify(r) }); n != 0 {
				t.Errorf("the check allocates %v times, want 0", n)
			}
		})
	}
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
			if len(w.Header()) != 1 || w.Header().Get("Strict-Transport-Security") != answer.DefaultHSTS {
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
	h.refused = audit.New(zap.New(core), zap.WarnLevel, "refused", h.nameField, verdicts...)
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
	h.refused = audit.New(zap.New(core), zap.WarnLevel, "refused", h.nameField, verdicts...)
	r := request(somebody)
	r.URL.Path = "/bot" + botToken + "/update"
	_ = h.ServeHTTP(httptest.NewRecorder(), r, nil)
	if path := logs.All()[0].ContextMap()["path"]; path != "/bot[hidden]/update" {
		t.Errorf("the log has %v", path)
	}
	h.registering = nil
}

// TestRefusalDoesNotWaitForTheBody gets the answer to a forgery whose body never
// comes: net/http would wait for it.
func TestRefusalDoesNotWaitForTheBody(t *testing.T) {
	t.Parallel()
	port := freePort(t)
	c := startCaddy(t, globals()+fmt.Sprintf("https://localhost:%d {\n\ttelegram_webhook {env.TELEGRAM_SECRET}\n}\n", port))
	// Whether there is a header or none, the connection must end in the same way.
	for _, more := range []string{"Content-Length: 100\r\n", "Content-Length: 10000000\r\n", "Content-Length: 100\r\nExpect: 100-continue\r\n"} {
		var ends []bool
		for _, header := range []string{"", secret.Header + ": wrong\r\n"} {
			conn, err := tls.Dial("tcp", fmt.Sprintf("localhost:%d", port), &tls.Config{RootCAs: c.roots()})
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			// Below Caddy's own bound of a minute, and far above ours of a second.
			_ = conn.SetDeadline(time.Now().Add(patience / 2))
			fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n%s%s\r\n", header, more)
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode != http.StatusForbidden {
				t.Errorf("%q: got %d, want 403", more, resp.StatusCode)
			}
			ends = append(ends, resp.Close)
		}
		if ends[0] != ends[1] {
			t.Errorf("%q: the connection is closed without a header: %v, with a wrong one: %v", more, ends[0], ends[1])
		}
	}
}

// TestUnannouncedBody bounds a body whose length is not in the header.
func TestUnannouncedBody(t *testing.T) {
	t.Parallel()
	const maximum = 1000
	got := make(chan int, 1)
	bot := startBot(t, func(_ http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		got <- int(n)
	})
	port := freePort(t)
	c := startCaddy(t, globals()+fmt.Sprintf("https://localhost:%d {\n\ttelegram_webhook {env.TELEGRAM_SECRET} {\n\t\tmax_body %d\n\t}\n\treverse_proxy %s\n}\n", port, maximum, bot))
	for n, want := range map[int]int{maximum: http.StatusOK, maximum + 1: http.StatusRequestEntityTooLarge} {
		r := update(t, fmt.Sprintf("https://localhost:%d", port), rightSecret)
		r.Body, r.ContentLength = io.NopCloser(strings.NewReader(strings.Repeat("x", n))), -1
		if resp := do(t, c.client(), r); resp.status != want {
			t.Errorf("%d bytes: got %d, want %d", n, resp.status, want)
		}
		if passed := <-got; passed > maximum || want == http.StatusOK && passed != n {
			t.Errorf("%d bytes: the bot got %d", n, passed)
		}
	}
	c.out.wait(t, `"reason":"too_large"`)
}

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

func BenchmarkVerify(b *testing.B) {
	h := provision(b, new(Handler))
	for name, r := range map[string]*http.Request{
		"right": request(somebody, rightSecret),
		"wrong": request(somebody, "wrong"),
		"none":  request(somebody),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				h.verify(r)
			}
		})
	}
}

// BenchmarkRefuse is all that the handler does with a forgery once the audit log
// is at its bound.
func BenchmarkRefuse(b *testing.B) {
	h := provision(b, new(Handler))
	w := httptest.NewRecorder()
	r := request(somebody, "wrong")
	b.ReportAllocs()
	for b.Loop() {
		_ = h.ServeHTTP(w, r, nil)
	}
}
