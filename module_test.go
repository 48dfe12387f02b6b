package telegramwebhook

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-telegram/telegramwebhook/internal/site"
)

// The secrets and the token that tests use, unless they are about them.
const (
	rightSecret = "right_secret_0123456789-abcdefghijkl"
	staleSecret = "stale_secret_0123456789-abcdefghijkl"
	botToken    = "123456789:" + "test_token_for_loopback_only_0000000"
)

// validate does what `caddy validate` does with the JSON of one handler.
func validate(t *testing.T, handler string) error {
	t.Helper()
	t.Setenv("XDG_DATA_HOME", t.TempDir())
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	var config caddy.Config
	err := json.Unmarshal(fmt.Appendf(nil, `{
		"admin": {"disabled": true},
		"logging": {"logs": {"default": {"level": "PANIC"}}},
		"apps": {"http": {"servers": {"bot": {
			"listen": [":0"],
			"automatic_https": {"disable": true},
			"routes": [{"handle": [%s]}]
		}}}}
	}`, handler), &config)
	if err != nil {
		t.Fatal(err)
	}
	return caddy.Validate(&config)
}

// TestWrongJSON gives the handler what is found out only when it is provisioned.
func TestWrongJSON(t *testing.T) {
	const leak = "s3cret value"
	dir := t.TempDir()
	files := map[string]string{"empty": "", "newline": "\n", "two_lines": "abc\ndef", "spaces": leak}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("TEST_EMPTY", "")
	t.Setenv("TEST_SPACES", leak)
	t.Setenv("TEST_LONG", strings.Repeat("x", 257))
	for name, tc := range map[string]struct{ fields, want string }{
		"no secret":                 {``, `secret: is missing, and so is bot_token; without one every forged update would pass. With bot_token a secret is made, kept and registered; or make one with: caddy telegram-webhook secret`},
		"an empty list":             {`"secret": []`, `secret: is missing, and so is bot_token; without one every forged update would pass. With bot_token a secret is made, kept and registered; or make one with: caddy telegram-webhook secret`},
		"rotate, though configured": {`"secret": ["abc"], "rotate": 86400000000000`, `secret: is given, and rotate is for a kept secret; take one of the two out`},
		"rotate too short":          {`"rotate": 1000000000, "bot_token": "123456789:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"`, `rotate: 1s is less than 5s`},
		"grace too long":            {`"rotate": 60000000000, "rotate_grace": 120000000000, "bot_token": "123456789:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"`, `rotate: the grace period of 2m0s is longer than the 1m0s after which the secret changes`},
		"an empty secret":           {`"secret": [""]`, `secret: is empty`},
		"malformed":                 {`"secret": ["` + leak + `"]`, `secret: has a character at position 7 that Telegram does not take; use only A-Z a-z 0-9 _ -`},
		"an unset variable":         {`"secret": ["{env.TEST_UNSET}"]`, `secret: {env.TEST_UNSET} is empty or cannot be read; set it before Caddy starts`},
		"an empty variable":         {`"secret": ["{env.TEST_EMPTY}"]`, `secret: {env.TEST_EMPTY} is empty or cannot be read; set it before Caddy starts`},
		"a malformed variable":      {`"secret": ["{env.TEST_SPACES}"]`, `secret: the value of {env.TEST_SPACES} has a character at position 7 that Telegram does not take; use only A-Z a-z 0-9 _ -`},
		"a long variable":           {`"secret": ["{env.TEST_LONG}"]`, `secret: the value of {env.TEST_LONG} has 257 characters; Telegram takes 1 to 256`},
		"the second is wrong":       {`"secret": ["abc", "{env.TEST_EMPTY}"]`, `secret: {env.TEST_EMPTY} is empty or cannot be read; set it before Caddy starts`},
		"a missing file":            {`"secret": ["{file./nowhere/secret}"]`, `secret: {file./nowhere/secret} is empty or cannot be read; set it before Caddy starts`},
		"an empty file":             {`"secret": ["{file.` + dir + `/empty}"]`, `secret: {file.` + dir + `/empty} is empty or cannot be read; set it before Caddy starts`},
		"a file with a newline":     {`"secret": ["{file.` + dir + `/newline}"]`, `secret: {file.` + dir + `/newline} is empty or cannot be read; set it before Caddy starts`},
		"a file with two lines":     {`"secret": ["{file.` + dir + `/two_lines}"]`, `secret: the value of {file.` + dir + `/two_lines} has a character at position 4 that Telegram does not take; use only A-Z a-z 0-9 _ -`},
		"a malformed file":          {`"secret": ["{file.` + dir + `/spaces}"]`, `secret: the value of {file.` + dir + `/spaces} has a character at position 7 that Telegram does not take; use only A-Z a-z 0-9 _ -`},
		"a secret in braces":        {`"secret": ["{` + leak + `}"]`, `secret: holds a placeholder that is not known when the configuration loads; use {env.NAME} or {file.PATH}`},
		"a request's placeholder":   {`"secret": ["{http.request.host}"]`, `secret: holds a placeholder that is not known when the configuration loads; use {env.NAME} or {file.PATH}`},
		"an open brace":             {`"secret": ["abc{def"]`, `secret: has a character at position 4 that Telegram does not take; use only A-Z a-z 0-9 _ -`},
		"forward_secret malformed":  {`"secret": ["abc"], "forward_secret": "` + leak + `"`, `forward_secret: has a character at position 7 that Telegram does not take; use only A-Z a-z 0-9 _ -`},
		"forward_secret unset":      {`"secret": ["abc"], "forward_secret": "{env.TEST_UNSET}"`, `forward_secret: {env.TEST_UNSET} is empty or cannot be read; set it before Caddy starts`},
		"source":                    {`"secret": ["abc"], "source": ["everywhere"]`, `source: "everywhere" is neither "telegram" nor an address range such as 203.0.113.0/24 or 2001:db8::/32`},
		"an empty source":           {`"secret": ["abc"], "source": [""]`, `source: "" is neither "telegram" nor an address range such as 203.0.113.0/24 or 2001:db8::/32`},
		"hsts":                      {`"secret": ["abc"], "hsts": "yes"`, `hsts: "yes" is neither "off" nor a value such as "max-age=31536000; includeSubDomains"`},
		"max_body":                  {`"secret": ["abc"], "max_body": -1`, `max_body: is negative`},
		"retry_after":               {`"secret": ["abc"], "retry_after": "90m"`, `retry_after: 1h30m0s is not in whole seconds from 1s to 1h, which is what Telegram honours`},
		"retry_after, a number":     {`"secret": ["abc"], "retry_after": 5`, `retry_after: 5ns is not in whole seconds from 1s to 1h, which is what Telegram honours`},
		"bot_token unset":           {`"secret": ["abc"], "bot_token": "{env.TEST_UNSET}"`, `bot_token: {env.TEST_UNSET} is empty or cannot be read; set it before Caddy starts`},
		"url without a token":       {`"secret": ["abc"], "url": "/x"`, `bot_token: is missing, and url, certificate, allowed_updates, max_connections, ip_address, api, api_test and check mean nothing without it`},
		"url: http":                 {`"secret": ["abc"], "bot_token": "` + botToken + `", "url": "http://bot.example.com/"`, `url: must begin with https://`},
		"url: a port":               {`"secret": ["abc"], "bot_token": "` + botToken + `", "url": "https://bot.example.com:9000/"`, `url: port 9000 is not one of 443, 80, 88, 8443, to which Telegram sends updates`},
		"url: the token":            {`"secret": ["abc"], "bot_token": "` + botToken + `", "url": "https://bot.example.com/` + botToken + `"`, `url: holds a bot token, which would be in every log; the secret does its work, so take any other path`},
		"url: unset":                {`"secret": ["abc"], "bot_token": "` + botToken + `", "url": "{env.TEST_UNSET}"`, `url: {env.TEST_UNSET} is empty or cannot be read; set it before Caddy starts`},
		"url: unset, in a path":     {`"secret": ["abc"], "bot_token": "` + botToken + `", "url": "/{env.TEST_UNSET}"`, `url: {env.TEST_UNSET} is empty or cannot be read; set it before Caddy starts`},
		"url: a request's":          {`"secret": ["abc"], "bot_token": "` + botToken + `", "url": "https://{http.request.host}/"`, `url: holds a placeholder that is not known when the configuration loads; use {env.NAME} or {file.PATH}`},
		"url: not public":           {`"secret": ["abc"], "bot_token": "` + botToken + `", "url": "https://localhost/"`, `url: localhost is not a public host name, so Telegram cannot find it`},
		"allowed_updates":           {`"secret": ["abc"], "bot_token": "` + botToken + `", "allowed_updates": ["message,poll"]`, `allowed_updates: "message,poll" is not the name of a type of update, such as message; name each by itself`},
		"api: unset":                {`"secret": ["abc"], "bot_token": "` + botToken + `", "api": "{env.TEST_UNSET}"`, `api: {env.TEST_UNSET} is empty or cannot be read; set it before Caddy starts`},
		"api: the password":         {`"secret": ["abc"], "bot_token": "` + botToken + `", "api": "ftp://me:` + leak + `@127.0.0.1/"`, `api: is not the URL of a Bot API server; it must look like https://api.telegram.org`},
		"ip_address":                {`"secret": ["abc"], "bot_token": "` + botToken + `", "ip_address": "::1"`, `ip_address: "::1" is not an IPv4 address, and Telegram uses no other`},
		"max_connections":           {`"secret": ["abc"], "bot_token": "` + botToken + `", "max_connections": 101`, `max_connections: 101 is not from 1 to 100`},
		"check":                     {`"secret": ["abc"], "bot_token": "` + botToken + `", "check": "1s"`, `check: 1s is less than 10s`},
		"certificate":               {`"secret": ["abc"], "bot_token": "` + botToken + `", "url": "https://bot.example.com/", "certificate": "/nowhere.pem"`, `certificate: cannot be read: open /nowhere.pem: no such file or directory`},
		"certificate, by path":      {`"secret": ["abc"], "bot_token": "` + botToken + `", "certificate": "/nowhere.pem"`, `certificate: cannot be read: open /nowhere.pem: no such file or directory`},
		"dedupe: negative":          {`"secret": ["abc"], "dedupe": -1`, `dedupe: -1 is not a number of updates from 1 to 1000000`},
		"dedupe: too many":          {`"secret": ["abc"], "dedupe": 1000001`, `dedupe: 1000001 is not a number of updates from 1 to 1000000`},
		"name":                      {`"secret": ["abc"], "name": "my bot"`, `name: "my bot" is not 1 to 64 characters of A-Z a-z 0-9 . _ -`},
	} {
		t.Run(name, func(t *testing.T) {
			if tc.fields != "" {
				tc.fields = ", " + tc.fields
			}
			err := validate(t, `{"handler": "telegram_webhook"`+tc.fields+`}`)
			if err == nil {
				t.Fatal("it loads")
			}
			_, got, _ := strings.Cut(err.Error(), "telegram_webhook: ")
			if got != tc.want {
				t.Errorf("got:\n%s\nwant:\n%s\nin:\n%s", got, tc.want, err)
			}
			if strings.Contains(err.Error(), leak) {
				t.Error("the error holds the secret")
			}
		})
	}
	t.Run("a malformed token", func(t *testing.T) {
		err := validate(t, `{"handler": "telegram_webhook", "secret": ["abc"], "bot_token": "`+leak+`"}`)
		if err == nil || !strings.Contains(err.Error(), "bot_token: ") || strings.Contains(err.Error(), leak) {
			t.Errorf("got %v, want an error about bot_token that does not hold it", err)
		}
	})
	t.Run("a bot twice", func(t *testing.T) {
		handler := `{"handler": "telegram_webhook", "secret": ["abc"], "bot_token": "` + botToken + `"}`
		err := validate(t, handler+", "+handler)
		if err == nil || !strings.Contains(err.Error(), "bot_token: is that of another telegram_webhook in this configuration (bot 123456789)") {
			t.Errorf("got %v, want an error about the bot", err)
		}
		if err := validate(t, handler); err != nil {
			t.Errorf("the bot is not given back: %v", err)
		}
	})
	t.Run("a name twice", func(t *testing.T) {
		handler := `{"handler": "telegram_webhook", "secret": ["abc"], "name": "same"}`
		err := validate(t, handler+", "+handler)
		if err == nil || !strings.Contains(err.Error(), `name: "same" is that of another telegram_webhook in this configuration`) {
			t.Errorf("got %v, want an error about the name", err)
		}
	})
	t.Run("a url twice", func(t *testing.T) {
		handler := func(id, url string) string {
			return `{"handler": "telegram_webhook", "secret": ["abc"], "bot_token": "` + id + botToken + `", "name": "n` + id + `", "url": "` + url + `"}`
		}
		err := validate(t, handler("1", "https://bot.example.com")+", "+handler("2", "https://Bot.example.com:443/"))
		const want = "url: https://Bot.example.com:443/ is that of another telegram_webhook in this configuration already (bot 1123456789, n1); give bot 2123456789 a site or a path of its own"
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
		if err := validate(t, handler("1", "https://bot.example.com/1")+", "+handler("2", "https://bot.example.com/2")); err != nil {
			t.Errorf("two urls: %v", err)
		}
	})
	for name, fields := range map[string]string{
		"an unknown field": `"secret": ["abc"], "secrets": ["def"]`,
		"a string":         `"secret": "abc"`,
		"a wrong type":     `"secret": ["abc"], "max_body": "1MiB"`,
	} {
		t.Run(name, func(t *testing.T) {
			if err := validate(t, `{"handler": "telegram_webhook", `+fields+`}`); err == nil {
				t.Error("it loads")
			}
		})
	}
}

func TestValidConfigurations(t *testing.T) {
	t.Setenv("TEST_SECRET", rightSecret)
	t.Setenv("TEST_URL", "https://bot.example.com")
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "secret"), []byte(rightSecret+"\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, fields := range map[string]string{
		"one character":    `"secret": ["a"]`,
		"a variable":       `"secret": ["{env.TEST_SECRET}"]`,
		"a file":           `"secret": ["{file.` + dir + `/secret}"]`,
		"composed":         `"secret": ["v2_{env.TEST_SECRET}"]`,
		"no retries":       `"secret": ["a"], "retry_after": -1`,
		"hsts, many parts": `"secret": ["a"], "hsts": "max-age=63072000; includeSubDomains; preload"`,
		"url, a variable":  `"secret": ["a"], "bot_token": "` + botToken + `", "url": "{env.TEST_URL}/x"`,
		"all sources":      `"secret": ["a"], "source": ["telegram", "::/0", "0.0.0.0/0", "192.0.2.1"]`,
	} {
		t.Run(name, func(t *testing.T) {
			if err := validate(t, `{"handler": "telegram_webhook", `+fields+`}`); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestNames looks at how a webhook is called that was given no name.
func TestNames(t *testing.T) {
	h, first := new(Handler), &Handler{spot: new(site.Spot)}
	host := func(hosts ...string) caddyhttp.MatcherSets {
		m := caddyhttp.MatchHost(hosts)
		return caddyhttp.MatcherSets{{&m}}
	}
	path := func(paths ...string) caddyhttp.MatcherSets {
		m := caddyhttp.MatchPath(paths)
		return caddyhttp.MatcherSets{{&m}}
	}
	handlers := []caddyhttp.MiddlewareHandler{h}
	below := func(routes ...caddyhttp.Route) []caddyhttp.MiddlewareHandler {
		return []caddyhttp.MiddlewareHandler{&caddyhttp.Subroute{Routes: routes}}
	}
	for name, tc := range map[string]struct {
		routes caddyhttp.RouteList
		want   string
	}{
		"a whole site": {caddyhttp.RouteList{
			{MatcherSets: host("other.example.com"), Handlers: below()},
			{MatcherSets: host("bot.example.com", "b.example.com"), Handlers: below(caddyhttp.Route{Handlers: handlers})},
		}, "bot.example.com"},
		"a path of a site": {caddyhttp.RouteList{
			{MatcherSets: host("example.com"), Handlers: below(
				caddyhttp.Route{MatcherSets: path("/other"), Handlers: below()},
				caddyhttp.Route{MatcherSets: path("/telegram"), Handlers: below(caddyhttp.Route{Handlers: handlers})},
			)},
		}, "example.com/telegram"},
		"one path of many": {caddyhttp.RouteList{
			{MatcherSets: host("example.com"), Handlers: below(
				caddyhttp.Route{MatcherSets: path("/first"), Handlers: below(caddyhttp.Route{Handlers: []caddyhttp.MiddlewareHandler{first}})},
				caddyhttp.Route{MatcherSets: path("/second"), Handlers: below(caddyhttp.Route{Handlers: handlers})},
				caddyhttp.Route{MatcherSets: path("/again"), Handlers: below(caddyhttp.Route{Handlers: handlers})},
			)},
		}, "example.com/second"},
		"no host": {caddyhttp.RouteList{{Handlers: handlers}}, ":8443"},
	} {
		t.Run(name, func(t *testing.T) {
			h.server, h.spot = &caddyhttp.Server{Listen: []string{":8443"}, Routes: tc.routes}, new(site.Spot)
			if got := h.identify().name; got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}
