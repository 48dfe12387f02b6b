package telegramwebhook

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/caddy-telegram/telegramwebhook/internal/telegram"
)

// startSeeingBot is a bot, and what tells the secret in the last request that has
// come to it since that was asked before.
func startSeeingBot(t *testing.T) (address string, secretSeen func() string) {
	var seen atomic.Pointer[string]
	address = startBot(t, func(_ http.ResponseWriter, r *http.Request) {
		values := strings.Join(r.Header[telegram.SecretHeader], "|")
		seen.Store(&values)
	})
	return address, func() string {
		if last := seen.Swap(nil); last != nil {
			return *last
		}
		return "(no request)"
	}
}

// TestOtherServers has bots that check the header by themselves, on servers of
// the same configuration that no gate guards. Caddy provisions the servers in any
// order, so it is tried several times.
func TestOtherServers(t *testing.T) {
	t.Parallel()
	bot, seen := startSeeingBot(t)
	gated, direct, invoked, failed := freePort(t), freePort(t), freePort(t), freePort(t)
	c := startCaddy(t, globals()+fmt.Sprintf(`&(other) {
	reverse_proxy %[1]s
}
https://localhost:%[2]d {
	telegram_webhook {env.TELEGRAM_SECRET}
	reverse_proxy %[1]s
}
http://:%[3]d {
	reverse_proxy %[1]s
}
http://:%[4]d {
	invoke other
}
http://:%[5]d {
	error 418
	handle_errors {
		reverse_proxy %[1]s
	}
}
`, bot, gated, direct, invoked, failed))
	for range 8 {
		for name, port := range map[string]int{"direct": direct, "invoked": invoked, "in an error route": failed} {
			do(t, http.DefaultClient, update(t, fmt.Sprintf("http://127.0.0.1:%d/", port), "whatever"))
			if v := seen(); v != "whatever" {
				t.Errorf("%s: the bot got the secret %q, want %q", name, v, "whatever")
			}
		}
		http.DefaultClient.CloseIdleConnections()
		c.restart()
	}
}

// TestWhatTheBotSees looks at the request that reaches the bot.
func TestWhatTheBotSees(t *testing.T) {
	t.Parallel()
	bot, seen := startSeeingBot(t)
	port := freePort(t)
	c := startCaddy(t, globals()+fmt.Sprintf(`https://localhost:%d {
	handle /plain {
		telegram_webhook {env.TELEGRAM_SECRET}
		reverse_proxy %[2]s
	}
	handle /forward {
		telegram_webhook {env.TELEGRAM_SECRET} `+staleSecret+` {
			forward_secret
		}
		reverse_proxy %[2]s
	}
	handle /replace {
		telegram_webhook {env.TELEGRAM_SECRET} {
			forward_secret for_the_bot_only_0123456789
		}
		reverse_proxy %[2]s
	}
	handle /replaced_before_a_matcher {
		telegram_webhook {env.TELEGRAM_SECRET} {
			forward_secret for_the_bot_only_0123456789
		}
		@post method POST
		reverse_proxy @post %[2]s
	}
	handle /set_by_the_site {
		request_header X-Telegram-Bot-Api-Secret-Token set_by_the_site
		@post method POST
		reverse_proxy @post %[2]s
	}
	handle /unguarded_rewritten {
		rewrite * /to
		reverse_proxy %[2]s
	}
	handle /unguarded_error {
		error 418
	}
	handle /unguarded {
		reverse_proxy %[2]s
	}
	handle_errors 418 {
		reverse_proxy %[2]s
	}
}
`, port, bot))
	namedPort := freePort(t)
	named := startCaddy(t, globals()+fmt.Sprintf(`&(gate) {
	handle {
		telegram_webhook {env.TELEGRAM_SECRET}
		reverse_proxy %[2]s
	}
}
https://localhost:%[1]d {
	handle /named {
		invoke gate
	}
	handle {
		reverse_proxy %[2]s
	}
}
`, namedPort, bot))
	// The place of a gate in a named route cannot be told, so it counts for every host.
	for _, tc := range []struct{ path, want string }{{"/other", "REDACTED"}, {"/named", ""}} {
		got := do(t, named.client(), update(t, fmt.Sprintf("https://localhost:%d%s", namedPort, tc.path), rightSecret))
		if v := seen(); got.status != 200 || v != tc.want {
			t.Errorf("beside a named route, %s: got %d and the bot the secret %q, want 200 and %q\n%s", tc.path, got.status, v, tc.want, named.out)
		}
	}
	for _, tc := range []struct{ path, sent, want string }{
		{"/plain", rightSecret, ""},
		{"/forward", rightSecret, rightSecret},
		{"/forward", staleSecret, staleSecret},
		{"/replace", rightSecret, "for_the_bot_only_0123456789"},
		// Other handlers of the host see the placeholder.
		{"/unguarded", "whatever", "REDACTED"},
		{"/unguarded_rewritten", "whatever", "REDACTED"},
		{"/unguarded_error", "whatever", "REDACTED"},
		{"/unguarded", "REDACTED", "REDACTED"},
		{"/replaced_before_a_matcher", rightSecret, "for_the_bot_only_0123456789"},
		{"/set_by_the_site", "whatever", "set_by_the_site"},
	} {
		t.Run(tc.path, func(t *testing.T) {
			got := do(t, c.client(), update(t, fmt.Sprintf("https://localhost:%d%s", port, tc.path), tc.sent))
			if got.status != 200 {
				t.Fatalf("got %d, want 200", got.status)
			}
			if v := seen(); v != tc.want {
				t.Errorf("the bot got the secret %q, want %q", v, tc.want)
			}
		})
	}
}
