package botapi

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"strings"
	"testing"
)

func TestParseToken(t *testing.T) {
	const form = "is not a bot token; it must be what @BotFather gave: digits, a colon, and at least 30 of A-Z a-z 0-9 _ -"
	half := strings.Repeat("x", 30)
	for name, tc := range map[string]struct{ value, want string }{
		"usual":               {plantedToken, ""},
		"shortest":            {"1:" + half, ""},
		"every character":     {"123:abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-", ""},
		"longest":             {"123:" + strings.Repeat("x", 76), ""},
		"largest id":          {"18014398509481983:" + half, ""},
		"empty":               {"", "is empty"},
		"newline behind":      {plantedToken + "\n", "has white space around it"},
		"space in front":      {" " + plantedToken, "has white space around it"},
		"with bot":            {"bot" + plantedToken, `begins with "bot"; leave that out`},
		"too long":            {"123:" + strings.Repeat("x", 77), "has 81 characters; a bot token has at most 80"},
		"half too short":      {"123:" + half[1:], form},
		"no colon":            {"123" + half, form},
		"no digits":           {":" + half, form},
		"leading zero":        {"0123:" + half, form},
		"negative":            {"-123:" + half, form},
		"slash":               {"123:" + half + "/", form},
		"two colons":          {"123:" + half + ":x", form},
		"placeholder":         {"{env.TELEGRAM_BOT_TOKEN_OF_THE_FIRST_BOT}", form},
		"newline within":      {"123:" + half + "\n" + half, form},
		"Cyrillic":            {"123:" + strings.Repeat("ж", 30), form},
		"id too large":        {"18014398509481984:" + half, "is not a bot token; the number before the colon is too large"},
		"id of forty figures": {strings.Repeat("9", 40) + ":" + half, "is not a bot token; the number before the colon is too large"},
	} {
		t.Run(name, func(t *testing.T) {
			token, err := ParseToken(tc.value)
			got := ""
			if err != nil {
				got = err.Error()
			}
			if got != tc.want {
				t.Errorf("got error %q, want %q", got, tc.want)
			}
			if (token == Token{}) != (err != nil) {
				t.Errorf("got token %v with error %v", token, err)
			}
			search(t, "the error", err)
		})
	}
}

func TestTokenIsNotShown(t *testing.T) {
	token := parse(t, plantedToken)
	const want = "123456789:[hidden]"
	for _, got := range []string{
		token.String(), token.GoString(), fmt.Sprint(token), fmt.Sprintf("%v", token), fmt.Sprintf("%+v", token),
		fmt.Sprintf("%#v", token), fmt.Sprintf("%s", token), fmt.Sprintf("%q", token), fmt.Sprintf("%x", token), fmt.Sprintf("%d", token),
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	encoded, err := json.Marshal(map[Token]any{token: struct{ T *Token }{&token}})
	if got := string(encoded); err != nil || got != `{"123456789:[hidden]":{"T":"123456789:[hidden]"}}` {
		t.Errorf("JSON: %s, %v", got, err)
	}
	if encoded, err := xml.Marshal(token); err != nil || leaks(string(encoded)) != nil {
		t.Errorf("XML: %s, %v", encoded, err)
	}

	type config struct {
		Public  Token
		private Token
	}
	search(t, "a token", token)
	search(t, "a struct with one", config{token, token})
	search(t, "a pointer to it", &config{token, token})
}

func TestToken(t *testing.T) {
	if got := parse(t, plantedToken).BotID(); got != 123456789 {
		t.Errorf("BotID: %d", got)
	}
	if got := new(Token).BotID(); got != 0 {
		t.Errorf("BotID of the zero Token: %d", got)
	}
	if got := fmt.Sprint(Token{}); got != "0:[hidden]" {
		t.Errorf("the zero Token: %q", got)
	}
	if parse(t, plantedToken) != parse(t, strings.Clone(plantedToken)) {
		t.Error("equal tokens differ")
	}
	if parse(t, plantedToken) == parse(t, plantedToken+"x") {
		t.Error("different tokens are equal")
	}
}

// FuzzParseToken looks for a value that gets through and would change the path
// of a request, and for an error that tells the value.
func FuzzParseToken(f *testing.F) {
	f.Add(plantedToken)
	f.Add("1:../../../../../../../../../../etc/passwd")
	f.Add("bot" + plantedToken)
	f.Fuzz(func(t *testing.T, s string) {
		token, err := ParseToken(s)
		if err != nil {
			if len(s) > 15 && strings.Contains(err.Error(), s) {
				t.Errorf("the error tells the value: %v", err)
			}
			return
		}
		if want := "/bot" + s + "/getWebhookInfo"; New(token, Options{}).endpoint("getWebhookInfo").RequestURI() != want {
			t.Errorf("path for %q", s)
		}
		if digits, _, _ := strings.Cut(s, ":"); fmt.Sprint(token.BotID()) != digits {
			t.Errorf("BotID %d of %q", token.BotID(), s)
		}
	})
}
