package integration

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/caddy-telegram/telegramwebhook/integration/caddytest"
)

// addressCase is a site with a gate, and where its address leads. In the Caddyfile GATE
// is the directive of a bot, with the lines between parentheses, OTHER that of a second bot,
// PLAIN one with a secret alone; BOT, WEB and HANGING are the addresses of servers, and
// PORT is the port of the site.
type addressCase struct {
	site string

	registered string // the address, without the host; empty if it must not be registered
	told       string // in the log
}

// host is the site's address.
const addressHost = "https://localhost:PORT"

// addressCases are set-ups in which the address that the routes tell, or that url gives,
// may lead elsewhere.
var addressCases = map[string]addressCase{
	"a site":                  {"GATE()\nreverse_proxy BOT", "/", ""},
	"handle_path":             {"handle_path /api/* {\nhandle /telegram {\nGATE()\nreverse_proxy BOT\n}\n}", "/api/telegram", ""},
	"handle_path twice":       {"handle_path /a/* {\nhandle_path /b/* {\nhandle /c {\nGATE()\nreverse_proxy BOT\n}\n}\n}", "/a/b/c", ""},
	"handle_path of a path":   {"handle_path /telegram {\nGATE()\nreverse_proxy BOT\n}", "/telegram", ""},
	"a prefix is stripped":    {"handle /api/* {\nuri strip_prefix /api\nhandle /telegram {\nGATE()\nreverse_proxy BOT\n}\n}\nreverse_proxy WEB", "/api/telegram", ""},
	"another gate, by prefix": {"handle_path /api/* {\nhandle /t {\nGATE()\nreverse_proxy BOT\n}\n}\nhandle /t {\nOTHER()\nreverse_proxy BOT\n}", "/api/t", ""},
	"a suffix is stripped": {"uri strip_suffix /x\nhandle /telegram/x {\nGATE()\nreverse_proxy BOT\n}", "",
		"/telegram/x does not lead to this telegram_webhook: something else answers with status 200"},
	"a rewrite": {"rewrite * /bot{uri}\nhandle /bot/telegram {\nGATE()\nreverse_proxy BOT\n}", "",
		"something else answers with status 200, so that Telegram takes every update for delivered"},
	"a rewrite, and url": {"rewrite * /bot{uri}\nhandle /bot/telegram {\nGATE(url /telegram)\nreverse_proxy BOT\n}", "/telegram", ""},
	"a web application behind a rewrite": {"uri replace /telegram /elsewhere\nhandle /telegram {\nGATE()\nreverse_proxy BOT\n}\nhandle {\nreverse_proxy WEB\n}", "",
		"something else answers with status 200"},
	"path_regexp":              {"@t path_regexp ^/telegram$\nhandle @t {\nGATE()\nreverse_proxy BOT\n}", "", "something else answers with status 200"},
	"path_regexp, and url":     {"@t path_regexp ^/telegram$\nhandle @t {\nGATE(url /telegram)\nreverse_proxy BOT\n}", "/telegram", ""},
	"a query":                  {"@t query token=abc\nhandle @t {\nGATE()\nreverse_proxy BOT\n}", "", "something else answers with status 200"},
	"a query, and url":         {"@t query token=abc\nhandle @t {\nGATE(url /?token=abc)\nreverse_proxy BOT\n}", "/?token=abc", ""},
	"an expression":            {"@t `path(\"/telegram\")`\nhandle @t {\nGATE()\nreverse_proxy BOT\n}", "", "something else answers with status 200"},
	"a method":                 {"@t method GET\nhandle @t {\nGATE()\nreverse_proxy BOT\n}\nrespond 405", "", "something else answers with status 405"},
	"another slash":            {"handle /telegram {\nGATE(url /telegram/)\nreverse_proxy BOT\n}", "", "something else answers with status 200"},
	"another path in full":     {"handle /telegram {\nGATE(url " + addressHost + "/webhook)\nreverse_proxy BOT\n}", "", "something else answers with status 200"},
	"the address of another":   {"handle /w {\nOTHER()\nreverse_proxy BOT\n}\nhandle /v {\nGATE(url /w)\nreverse_proxy BOT\n}", "", "it leads to another one, 987654321"},
	"that in full":             {"handle /w {\nOTHER()\nreverse_proxy BOT\n}\nhandle /v {\nGATE(url " + addressHost + "/w)\nreverse_proxy BOT\n}", "", "it leads to another one, 987654321"},
	"two on one route":         {"route {\nOTHER()\nGATE()\nreverse_proxy BOT\n}", "", "it leads to another one, 987654321"},
	"behind the bot":           {"route {\nreverse_proxy BOT\nGATE()\n}", "", "something else answers with status 200"},
	"a secret alone":           {"route {\nreverse_proxy WEB\nPLAIN\n}", "", `"webhook address leads elsewhere"`},
	"basic_auth":               {"route {\nbasic_auth {\nu PASSWORD\n}\nGATE()\nreverse_proxy BOT\n}", "", "something else answers with status 401"},
	"refused, and url":         {"route {\nrespond 418\nGATE(url " + addressHost + "/)\n}", "/", "something else answers with status 418"},
	"a method that is changed": {"route {\nmethod GET\nGATE()\n}", "", "would refuse an update for https://localhost:PORT/ with status 405"},
	"a type that is changed":   {"route {\nrequest_header Content-Type text/plain\nGATE()\n}", "", "would refuse an update for https://localhost:PORT/ with status 415"},
	"abort":                    {"route {\nabort\nGATE()\n}", "", "the connection was closed without an answer"},
	"a panic":                  {"route {\ntest_panic\nGATE()\n}", "", "the connection was closed without an answer"},
	"an error":                 {"route {\ntest_error\nGATE()\n}", "", "something else answers with status 418"},
	"it hangs":                 {"route {\nreverse_proxy HANGING\nGATE()\n}", "", "there was no answer within 5s"},
	"a client's address":       {"@t client_ip 127.0.0.1\nhandle @t {\nGATE()\nreverse_proxy BOT\n}\nrespond 403", "/", ""},
	"path_regexp rewrites":     {"uri path_regexp ^/pub/(.*)$ /$1\nhandle /t {\nGATE(url /pub/t)\nreverse_proxy BOT\n}\nreverse_proxy WEB", "/pub/t", ""},
	"try_files":                {"root * /\ntry_files {path} /\nhandle /t {\nGATE()\nreverse_proxy BOT\n}\nreverse_proxy WEB", "", "something else answers with status 200"},
	"a redirect":               {"redir /t /t/ 308\nhandle /t {\nGATE()\nreverse_proxy BOT\n}", "", "something else answers with status 308"},
	"errors answered":          {"route {\nerror 500\nGATE()\n}\nhandle_errors {\nrespond 200\n}", "", "something else answers with status 200"},
	"intercept":                {"intercept {\n@e status 404\nhandle_response @e {\nrespond 200\n}\n}\nhandle /t {\nGATE()\nreverse_proxy BOT\n}", "/t", ""},
	"all but one path":         {"@t not path /\nhandle @t {\nGATE()\nreverse_proxy BOT\n}\nreverse_proxy WEB", "", "something else answers with status 200"},
	"strip_prefix twice":       {"handle_path /a/* {\nuri strip_prefix /b\nhandle /t {\nGATE()\nreverse_proxy BOT\n}\n}\nreverse_proxy WEB", "/a/b/t", ""},
	"an escaped slash":         {"handle /a%2Fb {\nGATE()\nreverse_proxy BOT\n}\nreverse_proxy WEB", "/a%2fb", ""},
	"not the escaped slash":    {"handle /a%2Fb {\nGATE(url /a/b)\nreverse_proxy BOT\n}\nreverse_proxy WEB", "", "something else answers with status 200"},
	"other letters":            {"handle /приём/é {\nGATE()\nreverse_proxy BOT\n}\nreverse_proxy WEB", "/приём/é", ""},
	"two slashes":              {"handle //t {\nGATE()\nreverse_proxy BOT\n}\nreverse_proxy WEB", "//t", ""},
	"dots":                     {"handle /a/../t {\nGATE()\nreverse_proxy BOT\n}\nreverse_proxy WEB", "", "something else answers with status 200"},
	"a question mark":          {"handle \"/a?b\" {\nGATE()\nreverse_proxy BOT\n}\nreverse_proxy WEB", "", "something else answers with status 200"},
	"TLS and the protocol":     {"@t {\nprotocol https\nvars {http.request.tls.version} tls1.3\n}\nhandle @t {\nGATE()\nreverse_proxy BOT\n}\nreverse_proxy WEB", "/", ""},
	"a host of its own":        {"GATE(url https://public.example.com/telegram)\nreverse_proxy BOT", "elsewhere", "no site of this Caddy has the host public.example.com"},
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	var web, bot atomic.Int64
	count := func(n *atomic.Int64, answer string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if body, _ := io.ReadAll(r.Body); len(body) > 0 {
				n.Add(1)
			}
			fmt.Fprint(w, answer)
		}
	}
	botAddress, webAddress := caddytest.StartBot(t, count(&bot, "the bot")), caddytest.StartBot(t, count(&web, "the web"))
	ended := make(chan struct{})
	hanging := caddytest.StartBot(t, func(http.ResponseWriter, *http.Request) { <-ended })
	t.Cleanup(func() { close(ended) })
	for name, tc := range addressCases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			api, address := caddytest.StartTelegram(t)
			admin, port := caddytest.FreePort(t), caddytest.FreePort(t)
			c := caddytest.Start(t, fmt.Sprintf("{\n\tadmin localhost:%d\n\tskip_install_trust\n\tauto_https disable_redirects\n}\nhttps://localhost:%d {\n%s\n}\n", admin, port,
				strings.NewReplacer("BOT", botAddress, "WEB", webAddress, "HANGING", hanging, "PORT", fmt.Sprint(port),
					"PASSWORD", "$2a$04$kGW9bSE3znNO8LixcBUzr.PRlNAh2ZHa64wDRy091xFxeg1A6IDqm").Replace(expandGates(tc.site, address))))
			site := fmt.Sprintf("https://localhost:%d", port)
			if tc.told != "" {
				c.Out.Wait(t, strings.ReplaceAll(tc.told, "PORT", fmt.Sprint(port)))
			}
			if tc.registered == "" {
				if w := api.Webhook(caddytest.BotToken); w.URL != "" {
					t.Errorf("%s is registered", w.URL)
				}
				if strings.Contains(tc.site, "GATE") {
					caddytest.WaitUntil(t, "it is failing", func() bool { return state(t, admin, "123456789").State == "failing" })
				}
				return
			}
			c.Out.Wait(t, `"webhook registered"`)
			w := api.Webhook(caddytest.BotToken)
			if tc.registered == "elsewhere" {
				if s := state(t, admin, "123456789"); s.State != "registered" || !strings.Contains(s.Detail, tc.told) {
					t.Errorf("the status does not tell that the address is not known here: %+v", s)
				}
				return
			}
			if w.URL != site+tc.registered {
				t.Errorf("registered is %s, want %s", w.URL, site+tc.registered)
			}
			if tc.told != "" {
				return
			}
			if got := caddytest.Do(t, c.Client(), caddytest.Update(t, w.URL, w.Secret)); got.Status != http.StatusOK || got.Body != "the bot" {
				t.Errorf("an update to it got %d %q, not the bot's answer", got.Status, got.Body)
			}
		})
	}
	t.Cleanup(func() {
		if n := web.Load(); n > 0 {
			t.Errorf("the web application got %d updates", n)
		}
	})
}

// expandGates writes out the gates of an address case.
func expandGates(site, api string) string {
	gate := func(token, lines string) string {
		return fmt.Sprintf("telegram_webhook {\nbot_token {env.%s}\napi %s\ncertificate internal\n%s\n}", token, api, lines)
	}
	site = strings.ReplaceAll(site, "PLAIN", "telegram_webhook {env.TELEGRAM_SECRET}")
	for word, token := range map[string]string{"GATE(": "TELEGRAM_TOKEN", "OTHER(": "TELEGRAM_OTHER_TOKEN"} {
		for {
			before, rest, found := strings.Cut(site, word)
			if !found {
				break
			}
			lines, after, _ := strings.Cut(rest, ")")
			site = before + gate(token, lines) + after
		}
	}
	return site
}

// TestTrialIsNotRepeated counts the requests that a handler before the gate sees: one for
// each load, however often the registration is compared with what Telegram has.
func TestTrialIsNotRepeated(t *testing.T) {
	t.Parallel()
	api, address := caddytest.StartTelegram(t)
	admin, port := caddytest.FreePort(t), caddytest.FreePort(t)
	var asked atomic.Int64
	auth := caddytest.StartBot(t, func(_ http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if body, _ := io.ReadAll(r.Body); len(body) > 0 || r.Header.Get(caddytest.SecretHeader) != "" {
			t.Errorf("the trial has a body or a secret: %q", body)
		}
	})
	config := fmt.Sprintf("{\n\tadmin localhost:%d\n\tskip_install_trust\n\tauto_https disable_redirects\n}\nhttps://localhost:%d {\n\troute {\n", admin, port) +
		"forward_auth " + auth + " {\nuri /auth\n}\n" + expandGates("GATE(check 10s)\nreverse_proxy 127.0.0.1:9\n", address) + "\t}\n}\n"
	c := caddytest.Start(t, config)
	c.Out.Wait(t, "webhook registered")
	calls := len(api.Calls("getWebhookInfo"))
	caddytest.WaitUntil(t, "it is compared again", func() bool { return len(api.Calls("getWebhookInfo")) > calls })
	if n := asked.Load(); n != 1 {
		t.Errorf("%d requests for one load", n)
	}
	caddytest.Load(t, admin, strings.Replace(config, "check 10s", "check 11s", 1))
	caddytest.WaitUntil(t, "the next load has tried too", func() bool { return asked.Load() == 2 })
}

// TestTrialOfAddress has a site that is an IP address, to which Telegram sends no server
// name, and a server that asks for it.
func TestTrialOfAddress(t *testing.T) {
	t.Parallel()
	api, address := caddytest.StartTelegram(t)
	port := caddytest.FreePort(t)
	gate := strings.Replace(expandGates("GATE()", address), "certificate internal\n", "", 1)
	c := caddytest.Start(t, caddytest.Globals("local_certs", "default_sni 127.0.0.1", "servers {", "strict_sni_host on", "}")+
		fmt.Sprintf("https://127.0.0.1:%d {\n%s\nreverse_proxy 127.0.0.1:9\n}\n", port, gate))
	c.Out.Wait(t, "something else answers with status 421")
	wantSetWebhook(t, api, 0, "though every update would get 421")
	caddytest.WaitUntil(t, "the certificate is served", func() bool { return c.Serves(fmt.Sprintf("127.0.0.1:%d", port)) })
	got := caddytest.Do(t, c.Client(), caddytest.Update(t, fmt.Sprintf("https://127.0.0.1:%d/", port), caddytest.RightSecret))
	if got.Status != http.StatusMisdirectedRequest {
		t.Errorf("an update gets %d", got.Status)
	}
}

// TestSeveralHTTPSServers has one directive on two HTTPS servers: which of the addresses is
// meant, only url can tell.
func TestSeveralHTTPSServers(t *testing.T) {
	t.Parallel()
	api, address := caddytest.StartTelegram(t)
	first, second := caddytest.FreePort(t), caddytest.FreePort(t)
	site := func(lines string) string {
		return caddytest.Globals() + fmt.Sprintf("https://localhost:%d, https://localhost:%d {\n%s\n}\n", first, second, expandGates("GATE("+lines+")\n", address))
	}
	caddytest.Start(t, site("")).Out.Wait(t, "this webhook is on several HTTPS servers; set url to its whole public address")
	wantSetWebhook(t, api, 0, "for one of two addresses")
	caddytest.Start(t, strings.ReplaceAll(strings.ReplaceAll(site(fmt.Sprintf("url https://localhost:%d/", first)), fmt.Sprint(first), fmt.Sprint(caddytest.FreePort(t))),
		fmt.Sprint(second), fmt.Sprint(caddytest.FreePort(t)))).Out.Wait(t, "webhook registered")
}

// TestServersOfOnePort has two servers on one port, on different addresses of this machine.
func TestServersOfOnePort(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ first, second, told string }{
		"the host is another server's": {"https://localhost:PORT {\nbind 127.0.0.1\nrespond 200\n}\n", "https://a.localhost:PORT {\nbind 127.0.0.2\nGATE(url https://localhost:PORT/)\n}\n",
			"something else answers with status 200, so that Telegram takes every update for delivered"},
		"two bots of one host": {"https://localhost:PORT {\nbind 127.0.0.1\nOTHER()\n}\n", "https://localhost:PORT {\nbind 127.0.0.2\nGATE()\n}\n",
			"telegram_webhook"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			api, address := caddytest.StartTelegram(t)
			c := caddytest.New(t)
			config := caddytest.Globals() + strings.ReplaceAll(expandGates(tc.first+tc.second, address), "PORT", fmt.Sprint(caddytest.FreePort(t)))
			if err := caddytest.WriteFile(c.File("Caddyfile"), config); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(c.Quit)
			c.Start()
			c.Out.Wait(t, "webhook not registered")
			c.Out.Wait(t, tc.told)
			if name == "two bots of one host" {
				c.Out.Wait(t, `"webhook registered"`)
			}
			if a, b := api.Webhook(caddytest.BotToken).URL, api.Webhook(caddytest.OtherToken).URL; a != "" && (b != "" || tc.told != "telegram_webhook") {
				t.Errorf("the bots are registered as %q and %q", a, b)
			}
		})
	}
}
