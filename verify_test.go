package telegramwebhook

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddy-telegram/telegramwebhook/internal/boundedlog"
	"github.com/caddy-telegram/telegramwebhook/internal/clientip"
	"github.com/caddy-telegram/telegramwebhook/internal/deliver"
	"github.com/caddy-telegram/telegramwebhook/internal/redact"
	"github.com/caddy-telegram/telegramwebhook/internal/telegram"
	"github.com/caddy-telegram/telegramwebhook/internal/telegramtest"
)

// BenchmarkGenuine is all that the handler does with a genuine update of 1 KB
// until it is with the next handler and answered. "without" is the same
// request without the gate, to be subtracted.
func BenchmarkGenuine(b *testing.B) {
	bot := func(ask string) caddyhttp.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) error {
			if ask != "" {
				r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer).ReplaceAll(ask, "")
			}
			_, err := io.Copy(io.Discard, r.Body)
			w.WriteHeader(http.StatusOK)
			return err
		}
	}
	const ask = "{http.telegram_webhook.update_type} {http.telegram_webhook.chat_id}"
	id := 0
	gate, once := provision(b, new(Handler)), provision(b, &Handler{Dedupe: 10_000})
	for _, bench := range []struct {
		name  string
		serve func(http.ResponseWriter, *http.Request) error
	}{
		{"without", bot("")},
		{"nothing", func(w http.ResponseWriter, r *http.Request) error { return gate.ServeHTTP(w, r, bot("")) }},
		{"placeholders", func(w http.ResponseWriter, r *http.Request) error { return gate.ServeHTTP(w, r, bot(ask)) }},
		{"dedupe", func(w http.ResponseWriter, r *http.Request) error { return once.ServeHTTP(w, r, bot("")) }},
		{"both", func(w http.ResponseWriter, r *http.Request) error { return once.ServeHTTP(w, r, bot(ask)) }},
	} {
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			r, header := request(somebody), []string{rightSecret}
			ctx := r.Context()
			body := telegramtest.Message(1_000_000_000, 5, "hello")
			reader := bytes.NewReader(nil)
			for b.Loop() {
				id++ // another update
				for n, at := id, bytes.IndexByte(body, ',')-1; n > 0; n, at = n/10, at-1 {
					body[at] = byte('0' + n%10)
				}
				reader.Reset(body)
				r := r.WithContext(context.WithValue(ctx, caddy.ReplacerCtxKey, caddy.NewReplacer()))
				r.Header[telegram.SecretHeader] = header
				r.Body, r.ContentLength = io.NopCloser(reader), int64(len(body))
				if err := bench.serve(discard{}, r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// discard is a client that takes everything.
type discard struct{}

func (discard) Header() http.Header { return http.Header{} }

func (discard) Write(b []byte) (int, error) { return len(b), nil }

func (discard) WriteHeader(int) {}

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
				verify(h, r)
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

// allowed is the rule again, in the plainest words.
func allowed(r *http.Request) bool {
	values := r.Header.Values(telegram.SecretHeader)
	return r.TLS != nil &&
		len(values) == 1 && (values[0] == rightSecret || values[0] == staleSecret) &&
		r.Method == "POST" && len(r.Header["Content-Type"]) == 1 &&
		strings.ToLower(strings.TrimSpace(strings.Split(r.Header.Get("Content-Type"), ";")[0])) == "application/json" &&
		r.ContentLength <= 1<<20
}

// FuzzRequest gives the handler whatever net/http parses, and compares what it
// does with the rule.
func FuzzRequest(f *testing.F) {
	const head, length = "POST / HTTP/1.1\r\nHost: bot.example.com\r\n", "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
	for _, raw := range []string{
		head + telegram.SecretHeader + ": " + rightSecret + "\r\n" + length,
		head + strings.ToLower(telegram.SecretHeader) + ":" + staleSecret + "\r\n" + length,
		head + telegram.SecretHeader + ": " + rightSecret + "\r\n" + telegram.SecretHeader + ": " + rightSecret + "\r\n" + length,
		head + telegram.SecretHeader + ": " + rightSecret + "," + rightSecret + "\r\n" + length,
		head + telegram.SecretHeader + ": \xff\x80\r\n" + length,
		head + length,
		strings.Replace(head, "POST", "GET", 1) + telegram.SecretHeader + ": " + rightSecret + "\r\n\r\n",
		head + telegram.SecretHeader + ": " + rightSecret + "\r\nTransfer-Encoding: chunked\r\nContent-Type: application/json\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
		head + telegram.SecretHeader + ": " + rightSecret + "\r\nContent-Type: application/json\r\nContent-Length: 1048577\r\n\r\n",
		head + telegram.SecretHeader + ": " + rightSecret + "\r\nContent-Type: Application/json ; a=b\r\n\r\n",
	} {
		f.Add(raw, true)
		f.Add(raw, false)
	}
	h := provision(f, new(Handler))
	f.Fuzz(func(t *testing.T, raw string, overTLS bool) {
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(raw)))
		if err != nil {
			return
		}
		if overTLS {
			r.TLS = &tls.ConnectionState{}
		}
		r = r.WithContext(context.WithValue(r.Context(), caddyhttp.VarsCtxKey, map[string]any{caddyhttp.ClientIPVarKey: somebody}))
		want := allowed(r)

		reached := false
		w := httptest.NewRecorder()
		err = h.ServeHTTP(w, r, caddyhttp.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
			reached = true
			if _, there := r.Header[telegram.SecretHeader]; there {
				t.Error("the bot sees the secret")
			}
			_, err := io.Copy(io.Discard, r.Body)
			w.WriteHeader(http.StatusNoContent)
			return err
		}))
		if err != nil {
			t.Errorf("got the error %v, want none", err)
		}
		if reached != want {
			t.Errorf("passed: %v, want %v", reached, want)
		}
		switch w.Code {
		case http.StatusNoContent:
			if !want {
				t.Error("answered by the bot")
			}
		case http.StatusForbidden, http.StatusMethodNotAllowed, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType:
			if want || w.Body.Len() > 0 {
				t.Errorf("refused with %d %q, want it passed or a bare status", w.Code, w.Body)
			}
		default:
			t.Errorf("got %d", w.Code)
		}
	})
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
			if len(w.Header()) != 1 || w.Header().Get("Strict-Transport-Security") != "max-age=31536000" {
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

// TestReasonsDocumented compares the reasons in docs/logs.md with those there are.
func TestReasonsDocumented(t *testing.T) {
	content, err := os.ReadFile("docs/logs.md")
	if err != nil {
		t.Fatal(err)
	}
	text := string(content)
	undelivered := slices.DeleteFunc(slices.Clone(deliver.Kinds), func(kind string) bool {
		return kind == deliver.Kinds[deliver.Answered]
	})
	for heading, reasons := range map[string][]string{
		"Why a request was refused":       resultNames()[passed+1:],
		"Why an update was not delivered": undelivered,
	} {
		_, section, _ := strings.Cut(text, "\n## "+heading+"\n")
		section, _, _ = strings.Cut(section, "\n## ")
		var documented []string
		for _, row := range regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\|").FindAllStringSubmatch(section, -1) {
			documented = append(documented, row[1])
		}
		slices.Sort(documented)
		if want := slices.Sorted(slices.Values(reasons)); !slices.Equal(documented, want) {
			t.Errorf("%s: docs/logs.md has %q, there are %q", heading, documented, want)
		}
	}
}

// TestFlood refuses 100,000 requests and adds up what the audit log and the
// metrics say of them.
func TestFlood(t *testing.T) {
	h := provision(t, &Handler{Name: "flooded"})
	core, logs := observer.New(zap.WarnLevel)
	h.refused = boundedlog.New(zap.New(core), zap.WarnLevel, "refused", h.webhook.NameField, resultNames()...)

	const senders = 4
	flood := 100_000
	if testing.Short() {
		flood = 10_000
	}
	var wg sync.WaitGroup
	for range senders {
		wg.Go(func() {
			w := httptest.NewRecorder()
			for i := range flood / senders {
				r := request(somebody, "wrong")
				if i%2 == 0 {
					r = request(somebody)
				}
				_ = h.ServeHTTP(w, r, nil)
			}
		})
	}
	wg.Wait()
	h.refused.Close()

	told := map[string]uint64{}
	for _, e := range logs.All() {
		fields := e.ContextMap()
		n, summary := fields["more"].(uint64)
		if !summary {
			n = 1
		}
		told[fields["reason"].(string)] += n
	}
	if told["wrong_secret"] != uint64(flood/2) || told["no_secret"] != uint64(flood/2) {
		t.Errorf("the audit log tells of %v, want %d of each", told, flood/2)
	}
	if n := logs.Len(); n != 2*(boundedlog.Burst+1) {
		t.Errorf("%d entries, want %d: each reason has its first ones and a summary", n, 2*(boundedlog.Burst+1))
	}
}

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
		"its own limit":               {handler: Handler{MaxBody: telegram.MaxUpdate}, change: length(telegram.MaxUpdate + 1), secrets: []string{rightSecret}, want: tooLarge},
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

func plain(r *http.Request) { r.TLS = nil }

func method(m string) func(*http.Request) { return func(r *http.Request) { r.Method = m } }

func length(n int64) func(*http.Request) { return func(r *http.Request) { r.ContentLength = n } }

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

func TestIsForgery(t *testing.T) {
	h := provision(t, new(Handler))
	for name, tc := range map[string]struct {
		method, contentType string
		hasSecret, want     bool
	}{
		"address bar, link, img":          {"GET", "", false, false},
		"HEAD":                            {"HEAD", "", false, false},
		"preflight":                       {"OPTIONS", "", false, false},
		"form":                            {"POST", "application/x-www-form-urlencoded", false, false},
		"form with a file":                {"POST", "multipart/form-data; boundary=x", false, false},
		"form of text":                    {"POST", "text/plain", false, false},
		"text that looks like JSON":       {"POST", "text/plain; application/json", false, false},
		"beacon without a type":           {"POST", "", false, false},
		"JSON":                            {"POST", "application/json", false, true},
		"JSON with a charset":             {"POST", "Application/JSON; charset=utf-8", false, true},
		"GET of JSON":                     {"GET", "application/json", false, false},
		"JSON with the secret header":     {"POST", "application/json", true, true},
		"GET with the secret header":      {"GET", "", true, true},
		"a form with the secret header":   {"POST", "text/plain", true, true},
		"an unknown method, no header":    {"BREW", "application/json", false, false},
		"an unknown method, secret given": {"BREW", "", true, true},
	} {
		r := httptest.NewRequest(tc.method, "/", nil)
		if tc.contentType != "" {
			r.Header.Set("Content-Type", tc.contentType)
		}
		var secrets []string
		if tc.hasSecret {
			secrets = []string{"wrong"}
		}
		if got := h.isForgery(r, secrets); got != tc.want {
			t.Errorf("%s: got %v", name, got)
		}
	}
	if h.isForgery(&http.Request{Method: "POST"}, []string{rightSecret}) {
		t.Error("the right secret counts")
	}
	if h.isForgery(&http.Request{Method: "POST"}, nil) {
		t.Error("a POST without header fields counts")
	}
}

// TestSourceRanges asks which addresses are inside a source.
func TestSourceRanges(t *testing.T) {
	for name, tc := range map[string]struct {
		args []string
		ip   string
		want bool
	}{
		"telegram, first range":        {[]string{"telegram"}, "149.154.167.220", true},
		"telegram, second range":       {[]string{"telegram"}, "91.108.7.255", true},
		"telegram, just above":         {[]string{"telegram"}, "91.108.8.0", false},
		"telegram, IPv6-mapped":        {[]string{"telegram"}, "::ffff:149.154.160.1", true},
		"another":                      {[]string{"telegram"}, "203.0.113.9", false},
		"telegram and one more":        {[]string{"telegram", "203.0.113.0/24"}, "203.0.113.9", true},
		"single address":               {[]string{"203.0.113.9"}, "203.0.113.9", true},
		"single address, its neighbor": {[]string{"203.0.113.9"}, "203.0.113.8", false},
		"host bits set":                {[]string{"203.0.113.77/24"}, "203.0.113.9", true},
		"IPv6":                         {[]string{"2001:db8::/32"}, "2001:db8:1::1", true},
		"IPv6 with a zone":             {[]string{"fe80::/10"}, "fe80::1%eth0", true},
		"any IPv4 is not any IPv6":     {[]string{"0.0.0.0/0"}, "2001:db8::1", false},
		"no address":                   {[]string{"0.0.0.0/0", "::/0"}, "", false},
		"a Unix socket's peer":         {[]string{"0.0.0.0/0", "::/0"}, "@", false},
	} {
		t.Run(name, func(t *testing.T) {
			ranges, err := clientip.Parse(tc.args...)
			if err != nil {
				t.Fatal(err)
			}
			if got := ranges.Contains(tc.ip); got != tc.want {
				t.Errorf("%v contains %s: got %v, want %v", tc.args, tc.ip, got, tc.want)
			}
		})
	}
}

func TestSourceRangesRefused(t *testing.T) {
	for _, arg := range []string{"", "Telegram", "telegram.org", "203.0.113.0/33", "203.0.113", "1.2.3.4/", "2001:db8::/129", "::ffff:203.0.113.0/120", "::ffff:203.0.113.9"} {
		if ranges, err := clientip.Parse(arg); err == nil {
			t.Errorf("Parse(%q): got %v, want an error", arg, ranges)
		}
	}
}
