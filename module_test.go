package telegramwebhook

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-telegram/telegramwebhook/internal/args"
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

// wantError validates a handler with more fields, and compares the error, which
// must not hold what would leak a secret.
func wantError(t *testing.T, fields, want, leak string) {
	t.Helper()
	err := validate(t, `{"handler": "telegram_webhook"`+fields+`}`)
	if err == nil {
		t.Fatal("it loads")
	}
	_, got, _ := strings.Cut(err.Error(), "telegram_webhook: ")
	if got != want+", at :0" {
		t.Errorf("got:\n%s\nwant:\n%s\nin:\n%s", got, want, err)
	}
	if strings.Contains(err.Error(), leak) {
		t.Error("the error holds the secret")
	}
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
	t.Setenv("TEST_SHORT", strings.Repeat("x", 15))
	t.Setenv("TEST_TOKEN", botToken)
	for name, tc := range map[string]struct{ fields, want string }{
		"no secret":                 {``, `secret: is missing, and so is bot_token; without one every forged update would pass. With bot_token a secret is made, kept and registered; or make one with: caddy telegram-webhook secret`},
		"an empty list":             {`"secret": []`, `secret: is missing, and so is bot_token; without one every forged update would pass. With bot_token a secret is made, kept and registered; or make one with: caddy telegram-webhook secret`},
		"rotate, though configured": {`"secret": ["abcdefghijklmnop"], "rotate": 86400000000000`, `secret: is given, and rotate is for a kept secret; take one of the two out`},
		"rotate too short":          {`"rotate": 1000000000, "bot_token": "123456789:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"`, `rotate: 1s is less than 5s`},
		"grace too long":            {`"rotate": 60000000000, "rotate_grace": 120000000000, "bot_token": "123456789:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"`, `rotate: the grace period of 2m0s is longer than the 1m0s after which the secret changes`},
		"accept besides secret":     {`"secret": ["abcdefghijklmnop"], "bot_token": "` + botToken + `", "accept": ["{env.TEST_SECRET}"]`, `accept: is for a kept secret, and secret is given; write them all as secret, the one to register first`},
		"accept, an empty variable": {`"bot_token": "` + botToken + `", "accept": ["{env.TEST_EMPTY}"]`, `accept: {env.TEST_EMPTY} is empty or cannot be read; set it before Caddy starts`},
		"accept, a short variable":  {`"bot_token": "` + botToken + `", "accept": ["abcdefghijklmnop", "{env.TEST_SHORT}"]`, `accept: the value of {env.TEST_SHORT} has 15 characters, and at least 16 are needed; make one with: caddy telegram-webhook secret`},
		"accept, malformed":         {`"bot_token": "` + botToken + `", "accept": ["{env.TEST_SPACES}"]`, `accept: the value of {env.TEST_SPACES} has a blank at position 7; write each secret by itself, of only A-Z a-z 0-9 _ -`},
		"accept without a token":    {`"accept": ["abcdefghijklmnop"]`, `secret: is missing, and so is bot_token; without one every forged update would pass. With bot_token a secret is made, kept and registered; or make one with: caddy telegram-webhook secret`},
		"an empty secret":           {`"secret": [""]`, `secret: is empty`},
		"malformed":                 {`"secret": ["` + leak + `"]`, `secret: has a blank at position 7; write each secret by itself, of only A-Z a-z 0-9 _ -`},
		"an unset variable":         {`"secret": ["{env.TEST_UNSET}"]`, `secret: {env.TEST_UNSET} is empty or cannot be read; set it before Caddy starts`},
		"an empty variable":         {`"secret": ["{env.TEST_EMPTY}"]`, `secret: {env.TEST_EMPTY} is empty or cannot be read; set it before Caddy starts`},
		"a malformed variable":      {`"secret": ["{env.TEST_SPACES}"]`, `secret: the value of {env.TEST_SPACES} has a blank at position 7; write each secret by itself, of only A-Z a-z 0-9 _ -`},
		"a long variable":           {`"secret": ["{env.TEST_LONG}"]`, `secret: the value of {env.TEST_LONG} has 257 characters; Telegram takes 1 to 256`},
		"the second is wrong":       {`"secret": ["abcdefghijklmnop", "{env.TEST_EMPTY}"]`, `secret: {env.TEST_EMPTY} is empty or cannot be read; set it before Caddy starts`},
		"a missing file":            {`"secret": ["{file./nowhere/secret}"]`, `secret: {file./nowhere/secret} is empty or cannot be read; set it before Caddy starts`},
		"an empty file":             {`"secret": ["{file.` + dir + `/empty}"]`, `secret: {file.` + dir + `/empty} is empty or cannot be read; set it before Caddy starts`},
		"a file with a newline":     {`"secret": ["{file.` + dir + `/newline}"]`, `secret: {file.` + dir + `/newline} is empty or cannot be read; set it before Caddy starts`},
		"a file with two lines":     {`"secret": ["{file.` + dir + `/two_lines}"]`, `secret: the value of {file.` + dir + `/two_lines} has a character at position 4 that Telegram does not take; use only A-Z a-z 0-9 _ -`},
		"a malformed file":          {`"secret": ["{file.` + dir + `/spaces}"]`, `secret: the value of {file.` + dir + `/spaces} has a blank at position 7; write each secret by itself, of only A-Z a-z 0-9 _ -`},
		"a secret in braces":        {`"secret": ["{` + leak + `}"]`, `secret: holds a placeholder that is not known when the configuration loads; use {env.NAME} or {file.PATH}`},
		"a request's placeholder":   {`"secret": ["{http.request.host}"]`, `secret: holds a placeholder that is not known when the configuration loads; use {env.NAME} or {file.PATH}`},
		"an open brace":             {`"secret": ["abc{def"]`, `secret: has a brace without its counterpart; write a placeholder as {env.NAME} or {file.PATH}`},
		"forward_secret malformed":  {`"secret": ["abcdefghijklmnop"], "forward_secret": "` + leak + `"`, `forward_secret: has a blank at position 7; write each secret by itself, of only A-Z a-z 0-9 _ -`},
		"forward_secret unset":      {`"secret": ["abcdefghijklmnop"], "forward_secret": "{env.TEST_UNSET}"`, `forward_secret: {env.TEST_UNSET} is empty or cannot be read; set it before Caddy starts`},
		"source":                    {`"secret": ["abcdefghijklmnop"], "source": ["everywhere"]`, `source: "everywhere" is neither "telegram" nor an address range such as 203.0.113.0/24 or 2001:db8::/32`},
		"an empty source":           {`"secret": ["abcdefghijklmnop"], "source": [""]`, `source: "" is neither "telegram" nor an address range such as 203.0.113.0/24 or 2001:db8::/32`},
		"hsts":                      {`"secret": ["abcdefghijklmnop"], "hsts": "yes"`, `hsts: "yes" is neither "off" nor a value such as "max-age=31536000; includeSubDomains"`},
		"max_body":                  {`"secret": ["abcdefghijklmnop"], "max_body": -1`, `max_body: -1 bytes are less than 512KiB, which Telegram's longest update has`},
		"a short secret":            {`"secret": ["{env.TEST_SHORT}"]`, `secret: the value of {env.TEST_SHORT} has 15 characters, and at least 16 are needed; make one with: caddy telegram-webhook secret`},
		"a token as secret":         {`"secret": ["{env.TEST_TOKEN}"]`, `secret: the value of {env.TEST_TOKEN} is a bot token; write it as bot_token, and take a secret that nobody else knows`},
		"forward_secret true":       {`"secret": ["abcdefghijklmnop"], "forward_secret": "true"`, `forward_secret: takes a secret for the bot, of at least 16 characters, or no value to hand on the one that came; leave it out to hand on none`},
		"retry_after":               {`"secret": ["abcdefghijklmnop"], "retry_after": "90m"`, `retry_after: 1h30m0s is not in whole seconds from 1s to 1h, which is what Telegram honours`},
		"retry_after, a number":     {`"secret": ["abcdefghijklmnop"], "retry_after": 5`, `retry_after: 5ns is not in whole seconds from 1s to 1h, which is what Telegram honours`},
		"dedupe: negative":          {`"secret": ["abcdefghijklmnop"], "dedupe": -1`, `dedupe: -1 is not a number of updates from 1 to 1000000`},
		"dedupe: too many":          {`"secret": ["abcdefghijklmnop"], "dedupe": 1000001`, `dedupe: 1000001 is not a number of updates from 1 to 1000000`},
		"name":                      {`"secret": ["abcdefghijklmnop"], "name": "my bot"`, `name: "my bot" is not 1 to 64 characters of A-Z a-z 0-9 . _ -`},
	} {
		t.Run(name, func(t *testing.T) {
			if tc.fields != "" {
				tc.fields = ", " + tc.fields
			}
			wantError(t, tc.fields, tc.want, leak)
		})
	}
	for name, fields := range map[string]string{
		"an unknown field": `"secret": ["abcdefghijklmnop"], "secrets": ["def"]`,
		"a string":         `"secret": "abcdefghijklmnop"`,
		"a wrong type":     `"secret": ["abcdefghijklmnop"], "max_body": "1MiB"`,
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
		"16 characters":    `"secret": ["abcdefghijklmnop"]`,
		"a variable":       `"secret": ["{env.TEST_SECRET}"]`,
		"a file":           `"secret": ["{file.` + dir + `/secret}"]`,
		"composed":         `"secret": ["v2_{env.TEST_SECRET}"]`,
		"no retries":       `"secret": ["abcdefghijklmnop"], "retry_after": -1`,
		"hsts, many parts": `"secret": ["abcdefghijklmnop"], "hsts": "max-age=63072000; includeSubDomains; preload"`,
		"url, a variable":  `"secret": ["abcdefghijklmnop"], "bot_token": "` + botToken + `", "url": "{env.TEST_URL}/x"`,
		"accept":           `"bot_token": "` + botToken + `", "url": "https://bot.example.com/", "accept": ["{env.TEST_SECRET}", "abcdefghijklmnop"]`,
		"all sources":      `"secret": ["abcdefghijklmnop"], "source": ["telegram", "::/0", "0.0.0.0/0", "192.0.2.1"]`,
	} {
		t.Run(name, func(t *testing.T) {
			if err := validate(t, `{"handler": "telegram_webhook", `+fields+`}`); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestSameName has two webhooks of one configuration called the same.
func TestSameName(t *testing.T) {
	handler := `{"handler": "telegram_webhook", "secret": ["abcdefghijklmnop"], "name": "same"}`
	err := validate(t, handler+", "+handler)
	if err == nil || !strings.Contains(err.Error(), `name: "same" is that of another telegram_webhook in this configuration`) {
		t.Errorf("got %v, want an error about the name", err)
	}
}

// TestSiteInErrors loads two sites, of which the second is wrong.
func TestSiteInErrors(t *testing.T) {
	t.Setenv("XDG_DATA_HOME", t.TempDir())
	t.Setenv("TEST_TOKEN", botToken)
	t.Setenv("TEST_BAD", "s3cret value")
	t.Setenv("TEST_SECRET", rightSecret)
	for options, want := range map[string]string{
		"bot_token {env.TEST_BAD}":   "gave: digits, a colon, and at least 30 of A-Z a-z 0-9 _ -, at b.example.com/hook/*",
		"bot_token {env.TEST_TOKEN}": "a bot has one webhook, and a webhook one bot, at b.example.com/hook/*",
		"secret {env.TEST_UNSET}":    "secret: {env.TEST_UNSET} is empty or cannot be read; set it before Caddy starts, at b.example.com/hook/*",
		"secret {env.TEST_SECRET}\nname one": "name: \"one\" is that of another telegram_webhook in this configuration; give each a name of its own, " +
			"at b.example.com/hook/*",
	} {
		config, err := adapt("a.example.com {\ntelegram_webhook {\nbot_token {env.TEST_TOKEN}\nname one\n}\n}\n" +
			"b.example.com {\nhandle /hook/* {\ntelegram_webhook {\n" + options + "\n}\n}\n}\n")
		if err != nil {
			t.Fatal(err)
		}
		var c caddy.Config
		if err := json.Unmarshal([]byte(config), &c); err != nil {
			t.Fatal(err)
		}
		if err := caddy.Validate(&c); err == nil || !strings.HasSuffix(err.Error(), want) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%q: got %v, want %s", options, err, want)
		}
	}
	t.Run("no secret in the path", func(t *testing.T) {
		config := `{"handler": "subroute", "routes": [{"match": [{"path": ["/` + rightSecret + `"]}], "handle": [
			{"handler": "telegram_webhook", "secret": ["{env.TEST_SECRET}"], "name": "a b"}]}]}`
		if err := validate(t, config); err == nil || !strings.HasSuffix(err.Error(), ", at /[hidden]") {
			t.Errorf("got %v", err)
		}
	})
}

// TestOff turns durations off in JSON.
func TestOff(t *testing.T) {
	h := new(Handler)
	if err := json.Unmarshal([]byte(`{"rotate": "off", "rotate_grace": "off", "check": "off", "retry_after": "off"}`), h); err != nil {
		t.Fatal(err)
	}
	if h.Rotate != args.Off || h.RotateGrace != args.Off || h.Check != args.Off || h.RetryAfter != args.Off {
		t.Errorf("got %v", h)
	}
	if err := json.Unmarshal([]byte(`{"rotate": "5"}`), h); err == nil || err.Error() != `"5" has no unit; write a duration such as 5s, or off` {
		t.Errorf("got %v", err)
	}
	if err := json.Unmarshal([]byte(`{"rotate": "-1h", "check": 5}`), h); err != nil || h.Rotate >= 0 || h.Check != 5 {
		t.Errorf("got %v, %v", h, err)
	}
}
