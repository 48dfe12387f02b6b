package telegram

import "testing"

func TestQuote(t *testing.T) {
	for arg, want := range map[string]string{
		"many":           `"many"`,
		"":               `""`,
		"203.0.113.0/33": `"203.0.113.0/33"`,
		"max-age=31536000; includeSubDomains; nonsense=1":      `"max-age=31536000; includeSubDomains; nonsense=1"`,
		"message_reaction_count_of_a_new_kind":                 `"message_reaction_count_of_a_new_kind"`,
		"bot.example.com":                                      `"bot.example.com"`,
		"123456789:" + "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa":   "the value",
		"x/bot123456789%3Aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa": "the value",
		"Kq3v9-Zt_7LwXb2RmYd5HsNc8GfJpQaE":                     "the value",
		"0123456789abcdef":                                     "the value",
	} {
		if got := Quote(arg); got != want {
			t.Errorf("%q: got %s, want %s", arg, got, want)
		}
	}
}
