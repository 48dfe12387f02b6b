package site

import (
	"net/http"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddytls"
)

// here is a handler to be found.
type here struct{ n int }

func (*here) Gate() {}

func (*here) ServeHTTP(http.ResponseWriter, *http.Request, caddyhttp.Handler) error { return nil }

func TestURL(t *testing.T) {
	type list = []string
	for name, tc := range map[string]struct {
		hosts, paths, listen list
		plain                bool
		given                string
		want, err            string
	}{
		"host and nothing else":    {hosts: list{"bot.example.com"}, listen: list{":443"}, want: "https://bot.example.com/"},
		"host and path":            {hosts: list{"example.com"}, paths: list{"/telegram"}, listen: list{":443"}, want: "https://example.com/telegram"},
		"another port":             {hosts: list{"bot.example.com"}, listen: list{":8443"}, want: "https://bot.example.com:8443/"},
		"two ports, one is 443":    {hosts: list{"bot.example.com"}, listen: list{":8443", "127.0.0.1:443"}, want: "https://bot.example.com/"},
		"a Unix socket":            {hosts: list{"bot.example.com"}, listen: list{"unix//run/caddy.sock"}, want: "https://bot.example.com/"},
		"a socket and a port":      {hosts: list{"bot.example.com"}, listen: list{"unix//run/caddy.sock", ":8443"}, want: "https://bot.example.com:8443/"},
		"a path is given":          {hosts: list{"bot.example.com"}, paths: list{"/t/*"}, listen: list{":443"}, given: "/t/one", want: "https://bot.example.com/t/one"},
		"an address is given":      {listen: list{":443"}, plain: true, given: "https://public.example.com/x", want: "https://public.example.com/x"},
		"no host":                  {listen: list{":443"}, err: "this site has no host name; set url to the webhook's whole public address"},
		"several hosts":            {hosts: list{"a.example.com", "b.example.com"}, err: "this site has several host names (a.example.com, b.example.com); set url to the webhook's whole public address"},
		"a wildcard":               {hosts: list{"*.example.com"}, err: "the host name *.example.com is a pattern; set url to the webhook's whole public address"},
		"a placeholder":            {hosts: list{"{env.HOST}"}, err: "the host name {env.HOST} is a pattern; set url to the webhook's whole public address"},
		"plain http":               {hosts: list{"bot.example.com"}, listen: list{":80"}, plain: true, want: "http://bot.example.com/"},
		"plain http, another port": {hosts: list{"bot.example.com"}, listen: list{":443"}, plain: true, want: "http://bot.example.com:443/"},
		"several paths":            {hosts: list{"bot.example.com"}, paths: list{"/a", "/b"}, err: "several paths lead here (/a, /b); set url to the path that Telegram is to use"},
		"a pattern":                {hosts: list{"bot.example.com"}, paths: list{"/telegram/*"}, err: "the path /telegram/* is a pattern; set url to the path that Telegram is to use"},
		"no host, a path is given": {given: "/x", err: "this site has no host name; set url to the webhook's whole public address"},
	} {
		t.Run(name, func(t *testing.T) {
			handler := new(here)
			server := &caddyhttp.Server{Listen: tc.listen}
			if !tc.plain {
				server.TLSConnPolicies = caddytls.ConnectionPolicies{{}}
			}
			set := caddyhttp.MatcherSet{}
			if tc.hosts != nil {
				m := caddyhttp.MatchHost(tc.hosts)
				set = append(set, &m)
			}
			if tc.paths != nil {
				m := caddyhttp.MatchPath(tc.paths)
				set = append(set, &m)
			}
			server.Routes = caddyhttp.RouteList{{
				MatcherSets: caddyhttp.MatcherSets{set},
				Handlers:    []caddyhttp.MiddlewareHandler{handler},
			}}
			place := Find(map[string]*caddyhttp.Server{"": server})[handler]
			got, err := URL(server, place, tc.given)
			message := ""
			if err != nil {
				message = err.Error()
			}
			if got != tc.want || message != tc.err {
				t.Errorf("got %q, %q; want %q, %q", got, message, tc.want, tc.err)
			}
		})
	}
}

func TestCanonical(t *testing.T) {
	for address, want := range map[string]string{
		"https://bot.example.com":               "https://bot.example.com/",
		"HTTPS://Bot.Example.com:443/":          "https://bot.example.com/",
		"https://bot.example.com:8443/X?y=Z":    "https://bot.example.com:8443/X?y=Z",
		"http://bot.example.com:80/x":           "http://bot.example.com/x",
		"https://bot.example.com:80":            "https://bot.example.com:80/",
		"https://bot.example.com/a%2Fb":         "https://bot.example.com/a%2Fb",
		"https://[2001:db8::1]:443/":            "https://[2001:db8::1]/",
		"https://bot.example.com:443.evil.com/": "https://bot.example.com:443.evil.com/",
	} {
		if got := Canonical(address); got != want {
			t.Errorf("%s: got %s, want %s", address, got, want)
		}
	}
}
