package telegramwebhook

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

var rewrite = flag.Bool("rewrite", false, "write what is adapted into the golden files")

// TestAdapt compares each Caddyfile in testdata/adapt with the JSON below it.
func TestAdapt(t *testing.T) {
	files, err := filepath.Glob("testdata/adapt/*.caddyfiletest")
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden files: %v", err)
	}
	const line = "----------\n"
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			content, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			source, want, _ := strings.Cut(string(content), line)
			got, err := adapt(source)
			if err != nil {
				t.Fatal(err)
			}
			if *rewrite {
				if err := os.WriteFile(file, []byte(source+line+got), 0o600); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != want {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

func adapt(source string) (string, error) {
	adapter := caddyconfig.GetAdapter("caddyfile")
	result, _, err := adapter.Adapt([]byte(source), map[string]any{"filename": "Caddyfile"})
	if err != nil {
		return "", err
	}
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, result, "", "\t"); err != nil {
		return "", err
	}
	return pretty.String() + "\n", nil
}

// TestWrongCaddyfiles gives the directive what a user may get wrong.
func TestWrongCaddyfiles(t *testing.T) {
	const leak = "s3cret value"
	for name, tc := range map[string]struct{ directive, want string }{
		"nothing":                    {"telegram_webhook", "secret: is missing, and so is bot_token; without one every forged update would pass. With bot_token a secret is made, kept and registered; or make one with: caddy telegram-webhook secret; a {$NAME} whose variable is not set leaves nothing, at Caddyfile:2"},
		"an empty block":             {"telegram_webhook {\n}", "secret: is missing, and so is bot_token; without one every forged update would pass. With bot_token a secret is made, kept and registered; or make one with: caddy telegram-webhook secret; a {$NAME} whose variable is not set leaves nothing, at Caddyfile:3"},
		"all but a secret":           {"telegram_webhook {\nhsts off\n}", "secret: is missing, and so is bot_token; without one every forged update would pass. With bot_token a secret is made, kept and registered; or make one with: caddy telegram-webhook secret; a {$NAME} whose variable is not set leaves nothing, at Caddyfile:4"},
		"rotate without value":       {"telegram_webhook {\nbot_token {env.T}\nrotate\n}", "rotate: needs a duration or off; a {$NAME} whose variable is not set leaves nothing, at Caddyfile:4"},
		"rotate: no duration":        {"telegram_webhook {\nbot_token {env.T}\nrotate soon\n}", "rotate: \"soon\" is neither \"off\" nor a duration such as 5s, at Caddyfile:4"},
		"rotate: negative":           {"telegram_webhook {\nbot_token {env.T}\nrotate -1h\n}", "rotate: \"-1h\" is not above 0; write a duration such as 5s, or off, at Caddyfile:4"},
		"rotate: no grace":           {"telegram_webhook {\nbot_token {env.T}\nrotate 1h soon\n}", "rotate: \"soon\" is neither \"off\" nor a duration such as 5s, at Caddyfile:4"},
		"rotate: too many":           {"telegram_webhook {\nbot_token {env.T}\nrotate 1h 1m 1s\n}", "rotate: has one argument too many, at Caddyfile:4"},
		"an empty secret":            {`telegram_webhook ""`, "secret: is empty; if this is a path, begin it with /, at Caddyfile:2"},
		"an unset variable":          {"telegram_webhook {\nsecret {$TEST_IS_UNSET}\n}", "secret: needs at least one secret, such as {env.TELEGRAM_WEBHOOK_SECRET}; a {$NAME} whose variable is not set leaves nothing, at Caddyfile:3"},
		"an empty secret after one":  {`telegram_webhook abcdefghijklmnop ""`, "secret: is empty; if this is a path, begin it with /, at Caddyfile:2"},
		"secret without value":       {"telegram_webhook {\nsecret\n}", "secret: needs at least one secret, such as {env.TELEGRAM_WEBHOOK_SECRET}; a {$NAME} whose variable is not set leaves nothing, at Caddyfile:3"},
		"a space in the secret":      {`telegram_webhook "` + leak + `"`, "secret: has a blank at position 7; write each secret by itself, of only A-Z a-z 0-9 _ -; if this is a path, begin it with /, at Caddyfile:2"},
		"accept without value":       {"telegram_webhook {\nbot_token {env.T}\naccept\n}", "accept: needs at least one secret, such as {env.TELEGRAM_WEBHOOK_SECRET}; a {$NAME} whose variable is not set leaves nothing, at Caddyfile:4"},
		"accept, an unset variable":  {"telegram_webhook {\nbot_token {env.T}\naccept {$TEST_IS_UNSET}\n}", "accept: needs at least one secret, such as {env.TELEGRAM_WEBHOOK_SECRET}; a {$NAME} whose variable is not set leaves nothing, at Caddyfile:4"},
		"accept twice":               {"telegram_webhook {\nbot_token {env.T}\naccept {env.A}\naccept {env.B}\n}", "accept: is given twice, at Caddyfile:5"},
		"accept: a short one":        {"telegram_webhook {\nbot_token {env.T}\naccept abcdefghijklmnop S3cret-S3cret-1\n}", "accept: has 15 characters, and at least 16 are needed; make one with: caddy telegram-webhook secret, at Caddyfile:4"},
		"accept: malformed":          {"telegram_webhook {\nbot_token {env.T}\naccept \"" + leak + "\"\n}", "accept: has a blank at position 7; write each secret by itself, of only A-Z a-z 0-9 _ -, at Caddyfile:4"},
		"accept alone":               {"telegram_webhook {\naccept {env.A}\n}", "secret: is missing, and so is bot_token; without one every forged update would pass. With bot_token a secret is made, kept and registered; or make one with: caddy telegram-webhook secret; a {$NAME} whose variable is not set leaves nothing, at Caddyfile:4"},
		"base64 padding":             {"telegram_webhook {\nsecret c2VjcmV0dmFsdWU=\n}", "secret: has a character at position 16 that Telegram does not take; use only A-Z a-z 0-9 _ -, at Caddyfile:3"},
		"non-ASCII":                  {"telegram_webhook пароль", "secret: has a character at position 1 that Telegram does not take; use only A-Z a-z 0-9 _ -; if this is a path, begin it with /, at Caddyfile:2"},
		"257 characters":             {"telegram_webhook " + strings.Repeat("x", 257), "secret: has 257 characters; Telegram takes 1 to 256; if this is a path, begin it with /, at Caddyfile:2"},
		"secrets on line and block":  {"telegram_webhook abcdefghijklmnop {\nsecret def\n}", "secret: is given twice, at Caddyfile:3"},
		"secret twice":               {"telegram_webhook {\nsecret abcdefghijklmnop\nsecret abcdefghijklmnop\n}", "secret: is given twice, at Caddyfile:4"},
		"unknown":                    {"telegram_webhook abcdefghijklmnop {\nsecrets abc\n}", `unrecognized option secrets of telegram_webhook, at Caddyfile:3`},
		"a secret as subdirective":   {"telegram_webhook {\n4c5d2a7f9e\n}", "unrecognized option of telegram_webhook, at Caddyfile:3"},
		"dedupe: a word":             {"telegram_webhook abcdefghijklmnop {\ndedupe on\n}", `dedupe: "on" is not a number of updates from 1 to 1000000, at Caddyfile:3`},
		"dedupe: none":               {"telegram_webhook abcdefghijklmnop {\ndedupe 0\n}", `dedupe: "0" is not a number of updates from 1 to 1000000, at Caddyfile:3`},
		"dedupe: too many":           {"telegram_webhook abcdefghijklmnop {\ndedupe 1000001\n}", `dedupe: "1000001" is not a number of updates from 1 to 1000000, at Caddyfile:3`},
		"dedupe: two":                {"telegram_webhook abcdefghijklmnop {\ndedupe 1 2\n}", "dedupe: has more than one value; write it without blanks, or in quotes, at Caddyfile:3"},
		"source without value":       {"telegram_webhook abcdefghijklmnop {\nsource\n}", "source: needs telegram or address ranges; a {$NAME} whose variable is not set leaves nothing, at Caddyfile:3"},
		"source: a name":             {"telegram_webhook abcdefghijklmnop {\nsource telegram.org\n}", `source: "telegram.org" is neither "telegram" nor an address range such as 203.0.113.0/24 or 2001:db8::/32, at Caddyfile:3`},
		"source: a wrong mask":       {"telegram_webhook abcdefghijklmnop {\nsource telegram 10.0.0.0/33\n}", `source: "10.0.0.0/33" is neither "telegram" nor an address range such as 203.0.113.0/24 or 2001:db8::/32, at Caddyfile:3`},
		"source: a comma":            {"telegram_webhook abcdefghijklmnop {\nsource 10.0.0.0/8,telegram\n}", `source: "10.0.0.0/8,telegram" is neither "telegram" nor an address range such as 203.0.113.0/24 or 2001:db8::/32, at Caddyfile:3`},
		"source twice":               {"telegram_webhook abcdefghijklmnop {\nsource telegram\nsource 10.0.0.0/8\n}", "source: is given twice, at Caddyfile:4"},
		"hsts without value":         {"telegram_webhook abcdefghijklmnop {\nhsts\n}", "hsts: needs a value; a {$NAME} whose variable is not set leaves nothing, at Caddyfile:3"},
		"hsts: no max-age":           {"telegram_webhook abcdefghijklmnop {\nhsts on\n}", `hsts: "on" is neither "off" nor a value such as "max-age=31536000; includeSubDomains", at Caddyfile:3`},
		"hsts: unquoted":             {"telegram_webhook abcdefghijklmnop {\nhsts max-age=1 ; preload\n}", "hsts: has more than one value; write it without blanks, or in quotes, at Caddyfile:3"},
		"hsts: a duration":           {"telegram_webhook abcdefghijklmnop {\nhsts max-age=1y\n}", `hsts: "max-age=1y" is neither "off" nor a value such as "max-age=31536000; includeSubDomains", at Caddyfile:3`},
		"hsts: a line break":         {"telegram_webhook abcdefghijklmnop {\nhsts \"max-age=1\nX-Evil: 1\"\n}", `hsts: "max-age=1\nX-Evil: 1" is neither "off" nor a value such as "max-age=31536000; includeSubDomains", at Caddyfile:3`},
		"allow_http with a value":    {"telegram_webhook abcdefghijklmnop {\nallow_http off\n}", "allow_http: has one argument too many, at Caddyfile:3"},
		"allow_http twice":           {"telegram_webhook abcdefghijklmnop {\nallow_http\nallow_http\n}", "allow_http: is given twice, at Caddyfile:4"},
		"max_body without value":     {"telegram_webhook abcdefghijklmnop {\nmax_body\n}", "max_body: needs a value; a {$NAME} whose variable is not set leaves nothing, at Caddyfile:3"},
		"max_body: zero":             {"telegram_webhook abcdefghijklmnop {\nmax_body 0\n}", `max_body: "0" is not a size such as 1MiB, at Caddyfile:3`},
		"max_body: negative":         {"telegram_webhook abcdefghijklmnop {\nmax_body -1\n}", `max_body: "-1" is not a size such as 1MiB, at Caddyfile:3`},
		"max_body: too little":       {"telegram_webhook abcdefghijklmnop {\nmax_body 511KiB\n}", `max_body: 523264 bytes are less than 512KiB, which Telegram's longest update has, at Caddyfile:3`},
		"a path without its slash":   {"telegram_webhook tg {env.SECRET}", "secret: has 2 characters, and at least 16 are needed; make one with: caddy telegram-webhook secret; if this is a path, begin it with /, at Caddyfile:2"},
		"a short secret":             {"telegram_webhook {\nsecret S3cret-S3cret-1\n}", "secret: has 15 characters, and at least 16 are needed; make one with: caddy telegram-webhook secret, at Caddyfile:3"},
		"a token as secret":          {"telegram_webhook 123456789:AAaaBBbbCCccDDddEEeeFFffGGggHHhhIIi", "secret: is a bot token; write it as bot_token, and take a secret that nobody else knows; if this is a path, begin it with /, at Caddyfile:2"},
		"forward_secret on":          {"telegram_webhook abcdefghijklmnop {\nforward_secret on\n}", "forward_secret: takes a secret for the bot, of at least 16 characters, or no value to hand on the one that came; leave it out to hand on none, at Caddyfile:3"},
		"forward_secret False":       {"telegram_webhook abcdefghijklmnop {\nforward_secret False\n}", "forward_secret: takes a secret for the bot, of at least 16 characters, or no value to hand on the one that came; leave it out to hand on none, at Caddyfile:3"},
		"poll: a word":               {"telegram_webhook {\nbot_token {env.T}\npoll yes\n}", `poll: "yes" is neither "on" nor "off", at Caddyfile:4`},
		"poll: too many":             {"telegram_webhook {\nbot_token {env.T}\npoll on off\n}", "poll: has one argument too many, at Caddyfile:4"},
		"max_body: two words":        {"telegram_webhook abcdefghijklmnop {\nmax_body 1 MiB\n}", "max_body: has more than one value; write it without blanks, or in quotes, at Caddyfile:3"},
		"max_body: too much":         {"telegram_webhook abcdefghijklmnop {\nmax_body 16EiB\n}", `max_body: "16EiB" is not a size such as 1MiB, at Caddyfile:3`},
		"retry_after without value":  {"telegram_webhook abcdefghijklmnop {\nretry_after\n}", "retry_after: needs a value; a {$NAME} whose variable is not set leaves nothing, at Caddyfile:3"},
		"retry_after: a number":      {"telegram_webhook abcdefghijklmnop {\nretry_after 5\n}", `retry_after: "5" has no unit; write a duration such as 5s, or off, at Caddyfile:3`},
		"retry_after: negative":      {"telegram_webhook abcdefghijklmnop {\nretry_after -5s\n}", "retry_after: \"-5s\" is not above 0; write a duration such as 5s, or off, at Caddyfile:3"},
		"retry_after: half a second": {"telegram_webhook abcdefghijklmnop {\nretry_after 500ms\n}", "retry_after: 500ms is not in whole seconds from 1s to 1h, which is what Telegram honours, at Caddyfile:3"},
		"retry_after: two hours":     {"telegram_webhook abcdefghijklmnop {\nretry_after 2h\n}", "retry_after: 2h0m0s is not in whole seconds from 1s to 1h, which is what Telegram honours, at Caddyfile:3"},
		"forward_secret: two":        {"telegram_webhook abcdefghijklmnop {\nforward_secret abcdefghijklmnop abcdefghijklmnop\n}", "forward_secret: has more than one value; write it without blanks, or in quotes, at Caddyfile:3"},
		"forward_secret: malformed":  {"telegram_webhook abcdefghijklmnop {\nforward_secret \"" + leak + "\"\n}", "forward_secret: has a blank at position 7; write each secret by itself, of only A-Z a-z 0-9 _ -, at Caddyfile:3"},
		"forward_secret: empty":      {"telegram_webhook abcdefghijklmnop {\nforward_secret \"\"\n}", "forward_secret: needs a value; a {$NAME} whose variable is not set leaves nothing, at Caddyfile:3"},
		"name without value":         {"telegram_webhook abcdefghijklmnop {\nname\n}", "name: needs a value; a {$NAME} whose variable is not set leaves nothing, at Caddyfile:3"},
		"name: a slash":              {"telegram_webhook abcdefghijklmnop {\nname a/b\n}", `name: "a/b" is not 1 to 64 characters of A-Z a-z 0-9 . _ -, at Caddyfile:3`},
		"name: that of all":          {"telegram_webhook abcdefghijklmnop {\nname ready\n}", `name: "ready" is not a name for a webhook; the admin API has that of all there, at Caddyfile:3`},
		"bot_token without value":    {"telegram_webhook abcdefghijklmnop {\nbot_token\n}", "bot_token: needs a value; a {$NAME} whose variable is not set leaves nothing, at Caddyfile:3"},
		"bot_token: two words":       {"telegram_webhook abcdefghijklmnop {\nbot_token 1 2\n}", "bot_token: has more than one value; write it without blanks, or in quotes, at Caddyfile:3"},
		"url without value":          {"telegram_webhook abcdefghijklmnop {\nurl\n}", "url: needs a value; a {$NAME} whose variable is not set leaves nothing, at Caddyfile:3"},
		"url twice":                  {"telegram_webhook abcdefghijklmnop {\nurl /a\nurl /b\n}", "url: is given twice, at Caddyfile:4"},
		"allowed_updates, none":      {"telegram_webhook abcdefghijklmnop {\nallowed_updates\n}", "allowed_updates: needs at least one type of update, such as message; a {$NAME} whose variable is not set leaves nothing, at Caddyfile:3"},
		"a token as name":            {"telegram_webhook abcdefghijklmnop {\nname 123456789:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n}", `name: the value is not 1 to 64 characters of A-Z a-z 0-9 . _ -, at Caddyfile:3`},
		"a token as duration":        {"telegram_webhook abcdefghijklmnop {\nretry_after 123456789:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n}", `retry_after: the value is neither "off" nor a duration such as 5s, at Caddyfile:3`},
		"a secret as source":         {"telegram_webhook abcdefghijklmnop {\nsource Kq3v9-Zt_7LwXb2RmYd5HsNc8GfJpQaE\n}", `source: the value is neither "telegram" nor an address range such as 203.0.113.0/24 or 2001:db8::/32, at Caddyfile:3`},
		"max_connections: a word":    {"telegram_webhook abcdefghijklmnop {\nmax_connections many\n}", `max_connections: "many" is not a number of connections from 1 to 100000, at Caddyfile:3`},
		"max_connections: zero":      {"telegram_webhook abcdefghijklmnop {\nmax_connections 0\n}", `max_connections: "0" is not a number of connections from 1 to 100000, at Caddyfile:3`},
		"ip_address: two":            {"telegram_webhook abcdefghijklmnop {\nip_address 8.8.8.8 8.8.4.4\n}", "ip_address: has more than one value; write it without blanks, or in quotes, at Caddyfile:3"},
		"api_test with a value":      {"telegram_webhook abcdefghijklmnop {\napi_test on\n}", "api_test: has one argument too many, at Caddyfile:3"},
		"check: a number":            {"telegram_webhook abcdefghijklmnop {\ncheck 5\n}", `check: "5" has no unit; write a duration such as 5s, or off, at Caddyfile:3`},
		"an option in capitals":      {"telegram_webhook abcdefghijklmnop {\nBotToken {env.T}\n}", "unrecognized option BotToken; did you mean bot_token?, at Caddyfile:3"},
		"an option with a hyphen":    {"telegram_webhook abcdefghijklmnop {\nbot-token {env.T}\n}", "unrecognized option bot-token; did you mean bot_token?, at Caddyfile:3"},
		"an option in camel case":    {"telegram_webhook abcdefghijklmnop {\nallowedUpdates message\n}", "unrecognized option allowedUpdates; did you mean allowed_updates?, at Caddyfile:3"},
		"a shell's variable":         {"telegram_webhook $SECRET", `secret: $SECRET is written as for a shell; write {env.SECRET}; if this is a path, begin it with /, at Caddyfile:2`},
		"a shell's variable, braces": {"telegram_webhook {\nbot_token ${TOKEN}\n}", `bot_token: ${TOKEN} is written as for a shell; write {env.TOKEN}, at Caddyfile:3`},
		"an open placeholder":        {"telegram_webhook {\nbot_token {env.TOKEN\n}", `bot_token: has a brace without its counterpart; write a placeholder as {env.NAME} or {file.PATH}, at Caddyfile:3`},
		"an open secret placeholder": {"telegram_webhook {env.SECRET", `secret: has a brace without its counterpart; write a placeholder as {env.NAME} or {file.PATH}; if this is a path, begin it with /, at Caddyfile:2`},
		"a path without a slash":     {"telegram_webhook my/path", `secret: has a character at position 3 that Telegram does not take; use only A-Z a-z 0-9 _ -; if this is a path, begin it with /, at Caddyfile:2`},
		"rotate: off and a grace":    {"telegram_webhook {\nbot_token {env.T}\nrotate off 10m\n}", `rotate: off takes no second duration, at Caddyfile:4`},
		"check: zero":                {"telegram_webhook {\nbot_token {env.T}\ncheck 0s\n}", `check: "0s" is not above 0; write a duration such as 5s, or off, at Caddyfile:4`},
		"check: too short":           {"telegram_webhook {\nbot_token {env.T}\ncheck 1s\n}", `check: 1s is less than 10s, at Caddyfile:4`},
		"a wrong token":              {"telegram_webhook {\nbot_token s3cret\n}", `bot_token: is not a bot token; it must be what @BotFather gave: digits, a colon, and at least 30 of A-Z a-z 0-9 _ -, at Caddyfile:3`},
		"url: http":                  {"telegram_webhook {\nbot_token {env.T}\nurl http://bot.example.com/\n}", `url: must begin with https://, at Caddyfile:5`},
		"api: no URL":                {"telegram_webhook {\nbot_token {env.T}\napi localhost:8081\n}", `api: is not the URL of a Bot API server; it must look like https://api.telegram.org, at Caddyfile:4`},
		"ip_address: a name":         {"telegram_webhook {\nbot_token {env.T}\nip_address bot.example.com\n}", `ip_address: "bot.example.com" is not an IPv4 address, and Telegram uses no other, at Caddyfile:4`},
		"ip_address: reserved":       {"telegram_webhook {\nbot_token {env.T}\nip_address 10.0.0.1\n}", `ip_address: 10.0.0.1 is a reserved address, which Telegram does not reach, at Caddyfile:5`},
		"allowed_updates: a comma":   {"telegram_webhook {\nbot_token {env.T}\nallowed_updates message,poll\n}", `allowed_updates: "message,poll" is not the name of a type of update, such as message; name each by itself, at Caddyfile:4`},
		"max_connections: 101":       {"telegram_webhook {\nbot_token {env.T}\nmax_connections 101\n}", `max_connections: 101 is not from 1 to 100, at Caddyfile:5`},
		"a block in the block":       {"telegram_webhook abcdefghijklmnop {\nname a {\nb\n}\n}", "name: takes no block, at Caddyfile:4"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := adapt("bot.example.com {\n" + tc.directive + "\n}\n")
			if err == nil {
				t.Fatal("it was adapted")
			}
			const prefix = "parsing caddyfile tokens for 'telegram_webhook': "
			if got := strings.TrimPrefix(err.Error(), prefix); got != tc.want {
				t.Errorf("got:\n%s\nwant:\n%s", got, tc.want)
			}
			if strings.Contains(err.Error(), leak) {
				t.Error("the error holds the secret")
			}
		})
	}
}

// TestWrongListenerWrappers gives the listener wrapper what a user may get wrong.
func TestWrongListenerWrappers(t *testing.T) {
	for lines, want := range map[string]string{
		"only":                            "only: needs telegram or address ranges",
		"only everybody":                  `only: "everybody" is neither "telegram" nor an address range such as 203.0.113.0/24 or 2001:db8::/32`,
		"only telegram\nonly 203.0.113.9": "only: is given twice",
		"penalty many":                    `penalty: "many" is not a number of refused requests`,
		"penalty 0":                       `penalty: "0" is not a number of refused requests`,
		"penalty 5 soon":                  `penalty: "soon" is not a duration such as 1m`,
		"penalty 5 1m off":                `penalty: "off" is not a duration such as 1m`,
		"penalty 5 1m 1m 1m":              "penalty: has one argument too many",
		"penalty\npenalty":                "penalty: is given twice",
		"bann 5":                          `unrecognized option bann of the listener wrapper telegram_webhook`,
	} {
		_, err := adapt("{\nservers {\nlistener_wrappers {\ntelegram_webhook {\n" + lines + "\n}\ntls\n}\n}\n}\nlocalhost\n")
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %s", lines, err, want)
		}
	}
}

// FuzzCaddyfile looks for a directive that panics, or that is adapted without a
// secret to check.
func FuzzCaddyfile(f *testing.F) {
	f.Add("telegram_webhook abcdefghijklmnop")
	f.Add("telegram_webhook {\nsecret {env.A} {file.b}\nhsts off\nretry_after 5s\n}")
	f.Add("telegram_webhook {\nbot_token {env.T}\nrotate 7d 1h\n}")
	f.Add("telegram_webhook abcdefghijklmnop {\nsource telegram ::/0\nmax_body 1MiB\nforward_secret\nname x\nallow_http\n}")
	f.Fuzz(func(t *testing.T, directive string) {
		tokens, err := caddyfile.Tokenize([]byte(directive), "Caddyfile")
		if err != nil || len(tokens) == 0 {
			return
		}
		h := new(Handler)
		if err := h.UnmarshalCaddyfile(caddyfile.NewDispenser(tokens)); err != nil {
			return
		}
		if len(h.Secret) == 0 && h.BotToken == "" {
			t.Errorf("adapted without a secret: %q", directive)
		}
	})
}
