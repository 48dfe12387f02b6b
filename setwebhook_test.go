package telegramwebhook

import (
	"reflect"
	"strings"
	"testing"

	"go.uber.org/zap"

	"github.com/caddy-telegram/telegramwebhook/internal/app"
)

// TestEveryParameter gives every option, and looks for a parameter of setWebhook that none sets,
// and for an option that the error of a missing token leaves out.
func TestEveryParameter(t *testing.T) {
	h := &Handler{
		Secret: []string{rightSecret}, logger: zap.NewNop(),
		Registration: Registration{
			BotToken: botToken, URL: "https://bot.example.com/", AllowedUpdates: []string{"message"}, MaxConnections: 7, IPAddress: "8.8.8.8",
		},
	}
	var settings app.Settings
	for _, step := range []func(*app.Settings) error{h.provisionSecrets, h.provisionRegistration} {
		if err := step(&settings); err != nil {
			t.Fatal(err)
		}
	}
	parameters := reflect.ValueOf(settings.Registration.Parameters)
	for i := range parameters.NumField() {
		name := parameters.Type().Field(i).Name
		if found := name == "URL" || name == "Certificate"; parameters.Field(i).IsZero() != found { // found when the configuration runs
			t.Errorf("%s of botapi.Webhook is %v", name, parameters.Field(i))
		}
	}

	h = &Handler{Registration: Registration{Poll: true}}
	err := h.provisionRegistration(new(app.Settings))
	for i := range reflect.TypeFor[Registration]().NumField() {
		name, _, _ := strings.Cut(reflect.TypeFor[Registration]().Field(i).Tag.Get("json"), ",")
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("the error of a missing token leaves out %s: %v", name, err)
		}
	}
}

// TestWrongRegistration gives the handler what is found out only when it is
// provisioned, of the fields about the registration.
func TestWrongRegistration(t *testing.T) {
	const leak = "s3cret value"
	t.Setenv("TEST_WITH_BOT", "bot"+botToken)
	for name, tc := range map[string]struct{ fields, want string }{
		"bot_token unset":            {`"secret": ["abcdefghijklmnop"], "bot_token": "{env.TEST_UNSET}"`, `bot_token: {env.TEST_UNSET} is empty or cannot be read; set it before Caddy starts`},
		"bot_token for a name":       {`"secret": ["abcdefghijklmnop"], "bot_token": "{env.` + botToken + `}"`, `bot_token: holds a placeholder that is not known when the configuration loads; use {env.NAME} or {file.PATH}`},
		"bot_token for a default":    {`"secret": ["abcdefghijklmnop"], "bot_token": "{env.TEST_UNSET:` + botToken + `}"`, `bot_token: holds a placeholder that is not known when the configuration loads; use {env.NAME} or {file.PATH}`},
		"bot_token for a file":       {`"secret": ["abcdefghijklmnop"], "bot_token": "{file./nowhere/` + botToken + `}"`, `bot_token: {file./nowhere/[hidden]} is empty or cannot be read; set it before Caddy starts`},
		"certificate: the token":     {`"secret": ["abcdefghijklmnop"], "bot_token": "` + botToken + `", "certificate": "` + botToken + `"`, `certificate: the value cannot be read: no such file or directory`},
		"bot_token with bot":         {`"secret": ["abcdefghijklmnop"], "bot_token": "{env.TEST_WITH_BOT}"`, `bot_token: the value of {env.TEST_WITH_BOT} begins with "bot"; leave that out`},
		"poll without a token":       {`"secret": ["abcdefghijklmnop"], "poll": true`, `bot_token: is missing, and poll, url, certificate, allowed_updates, max_connections, ip_address, api, api_test and check mean nothing without it`},
		"poll, no secret to forward": {`"poll": true, "forward_secret": "", "bot_token": "` + botToken + `"`, `forward_secret: fetched updates have no secret to hand on; give it a value, or set secret`},
		"url without a token":        {`"secret": ["abcdefghijklmnop"], "url": "/x"`, `bot_token: is missing, and poll, url, certificate, allowed_updates, max_connections, ip_address, api, api_test and check mean nothing without it`},
		"url: http":                  {`"secret": ["abcdefghijklmnop"], "bot_token": "` + botToken + `", "url": "http://bot.example.com/"`, `url: must begin with https://`},
		"url: a port":                {`"secret": ["abcdefghijklmnop"], "bot_token": "` + botToken + `", "url": "https://bot.example.com:9000/"`, `url: port 9000 is not one of 443, 80, 88, 8443, to which Telegram sends updates`},
		"url: the token":             {`"secret": ["abcdefghijklmnop"], "bot_token": "` + botToken + `", "url": "https://bot.example.com/` + botToken + `"`, `url: holds a bot token, which would be in every log; the secret does its work, so take any other path`},
		"url: the secret":            {`"secret": ["abcdefghijklmnop"], "bot_token": "` + botToken + `", "url": "/hook/abcdefghijklmnop"`, `url: holds the secret, which would be in every log; the header does its work, so take any other path`},
		"url: an accepted secret":    {`"accept": ["abcdefghijklmnop"], "bot_token": "` + botToken + `", "url": "/hook/abcdefghijklmnop"`, `url: holds the secret, which would be in every log; the header does its work, so take any other path`},
		"url: unset":                 {`"secret": ["abcdefghijklmnop"], "bot_token": "` + botToken + `", "url": "{env.TEST_UNSET}"`, `url: {env.TEST_UNSET} is empty or cannot be read; set it before Caddy starts`},
		"url: unset, in a path":      {`"secret": ["abcdefghijklmnop"], "bot_token": "` + botToken + `", "url": "/{env.TEST_UNSET}"`, `url: {env.TEST_UNSET} is empty or cannot be read; set it before Caddy starts`},
		"url: a request's":           {`"secret": ["abcdefghijklmnop"], "bot_token": "` + botToken + `", "url": "https://{http.request.host}/"`, `url: holds a placeholder that is not known when the configuration loads; use {env.NAME} or {file.PATH}`},
		"url: not public":            {`"secret": ["abcdefghijklmnop"], "bot_token": "` + botToken + `", "url": "https://localhost/"`, `url: localhost is not a public host name, so Telegram cannot find it`},
		"allowed_updates":            {`"secret": ["abcdefghijklmnop"], "bot_token": "` + botToken + `", "allowed_updates": ["message,poll"]`, `allowed_updates: "message,poll" is not the name of a type of update, such as message; name each by itself`},
		"api: unset":                 {`"secret": ["abcdefghijklmnop"], "bot_token": "` + botToken + `", "api": "{env.TEST_UNSET}"`, `api: {env.TEST_UNSET} is empty or cannot be read; set it before Caddy starts`},
		"api: the password":          {`"secret": ["abcdefghijklmnop"], "bot_token": "` + botToken + `", "api": "ftp://me:` + leak + `@127.0.0.1/"`, `api: is not the URL of a Bot API server; it must look like https://api.telegram.org`},
		"ip_address":                 {`"secret": ["abcdefghijklmnop"], "bot_token": "` + botToken + `", "ip_address": "::1"`, `ip_address: "::1" is not an IPv4 address, and Telegram uses no other`},
		"max_connections":            {`"secret": ["abcdefghijklmnop"], "bot_token": "` + botToken + `", "max_connections": 101`, `max_connections: 101 is not from 1 to 100`},
		"check":                      {`"secret": ["abcdefghijklmnop"], "bot_token": "` + botToken + `", "check": "1s"`, `check: 1s is less than 10s`},
		"certificate":                {`"secret": ["abcdefghijklmnop"], "bot_token": "` + botToken + `", "url": "https://bot.example.com/", "certificate": "/nowhere.pem"`, `certificate: "/nowhere.pem" cannot be read: no such file or directory`},
		"certificate: an address":    {`"secret": ["abcdefghijklmnop"], "bot_token": "` + botToken + `", "url": "https://8.8.8.8/", "certificate": "internal"`, `certificate: internal: Telegram does not connect to an IP address with a certificate of Caddy's own CA; get a publicly trusted short-lived one (Let's Encrypt's profile shortlived over HTTP-01, with Caddy 2.10.1 or later), or upload a self-signed one that the site serves, made with -subj /CN=8.8.8.8`},
		"certificate, by path":       {`"secret": ["abcdefghijklmnop"], "bot_token": "` + botToken + `", "certificate": "/nowhere.pem"`, `certificate: "/nowhere.pem" cannot be read: no such file or directory`},
	} {
		t.Run(name, func(t *testing.T) { wantError(t, ", "+tc.fields, tc.want, leak) })
	}
	t.Run("a malformed token", func(t *testing.T) {
		err := validate(t, `{"handler": "telegram_webhook", "secret": ["abcdefghijklmnop"], "bot_token": "`+leak+`"}`)
		if err == nil || !strings.Contains(err.Error(), "bot_token: ") || strings.Contains(err.Error(), leak) {
			t.Errorf("got %v, want an error about bot_token that does not hold it", err)
		}
	})
	t.Run("no types, and no token", func(t *testing.T) {
		if err := validate(t, `{"handler": "telegram_webhook", "secret": ["abcdefghijklmnop"], "allowed_updates": []}`); err != nil {
			t.Error(err)
		}
	})
	t.Run("a bot twice", func(t *testing.T) {
		handler := `{"handler": "telegram_webhook", "secret": ["abcdefghijklmnop"], "bot_token": "` + botToken + `"}`
		err := validate(t, handler+", "+handler)
		if err == nil || !strings.Contains(err.Error(), "bot_token: is that of another telegram_webhook in this configuration (bot 123456789)") {
			t.Errorf("got %v, want an error about the bot", err)
		}
		if err := validate(t, handler); err != nil {
			t.Errorf("the bot is not given back: %v", err)
		}
	})
	t.Run("a url twice", func(t *testing.T) {
		handler := func(id, url string) string {
			return `{"handler": "telegram_webhook", "secret": ["abcdefghijklmnop"], "bot_token": "` + id + botToken + `", "name": "n` + id + `", "url": "` + url + `"}`
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
}
