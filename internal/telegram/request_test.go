package telegram

import (
	"strings"
	"testing"
)

// request is what is written to a url, nil if nothing is.
func request(t *testing.T, url, secret string, update []byte) []byte {
	t.Helper()
	target, err := ParseTarget(url)
	if err != nil {
		return nil
	}
	return target.Request(secret, update)
}

func TestRequest(t *testing.T) {
	const tail = "Content-Type: application/json\r\n" +
		"Content-Length: 15\r\n" +
		"Connection: keep-alive\r\n" +
		"Accept-Encoding: gzip, deflate\r\n" +
		"\r\n" +
		`{"update_id":1}`
	for _, test := range []struct {
		name   string
		url    string
		secret string
		want   string
	}{
		{"plain", "https://bot.example.com/hook?x=1", "",
			"POST /hook?x=1 HTTP/1.1\r\nHost: bot.example.com\r\n"},
		{"secret", "https://bot.example.com/", "s3-cret_",
			"POST / HTTP/1.1\r\nHost: bot.example.com\r\nX-Telegram-Bot-Api-Secret-Token: s3-cret_\r\n"},
		{"port", "https://bot.example.com:8443/hook", "",
			"POST /hook HTTP/1.1\r\nHost: bot.example.com:8443\r\n"},
		{"default port", "https://bot.example.com:443/hook", "",
			"POST /hook HTTP/1.1\r\nHost: bot.example.com\r\n"},
		{"port of the other scheme", "https://bot.example.com:80", "",
			"POST / HTTP/1.1\r\nHost: bot.example.com:80\r\n"},
		{"http", "http://10.0.0.7:80/hook", "",
			"POST /hook HTTP/1.1\r\nHost: 10.0.0.7\r\n"},
		{"no scheme", "Bot.Example.com/Hook", "",
			"POST /Hook HTTP/1.1\r\nHost: bot.example.com\r\n"},
		{"no scheme, but one further on", "bot.example.com/?to=http://x", "",
			"POST /?to=http://x HTTP/1.1\r\nHost: bot.example.com\r\n"},
		{"query without a path", "https://bot.example.com?x=a b#f ", "",
			"POST /?x=a%20b#f HTTP/1.1\r\nHost: bot.example.com\r\n"},
		{"user", "https://me:pw@bot.example.com/", "",
			"POST / HTTP/1.1\r\nHost: bot.example.com\r\nAuthorization: Basic bWU6cHc=\r\n"},
		{"user that is escaped", "https://me:p%40ss@bot.example.com/", "",
			"POST / HTTP/1.1\r\nHost: bot.example.com\r\nAuthorization: Basic bWU6cCU0MHNz\r\n"},
		{"outside ASCII", "https://b\u00fccher.example.com:8443/", "",
			"POST / HTTP/1.1\r\nHost: xn--bcher-kva.example.com:8443\r\n"},
		{"outside ASCII, in capitals", "https://B\u00dcCHER.example.com:443/", "",
			"POST / HTTP/1.1\r\nHost: xn--bcher-2pa.example.com\r\n"},
		{"outside ASCII, in capitals, without a port", "https://B\u00dcCHER.example.com/", "",
			"POST / HTTP/1.1\r\nHost: xn--bcher-2pa.example.com\r\n"},
		{"a path outside ASCII", "https://a/b\u00fccher", "",
			"POST /b\u00fccher HTTP/1.1\r\nHost: a\r\n"},
		{"port with zeros", "https://a:008443/", "",
			"POST / HTTP/1.1\r\nHost: a:8443\r\n"},
		{"IPv6", "http://[::1]:8080/", "",
			"POST / HTTP/1.1\r\nHost: [::1]:8080\r\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := string(request(t, test.url, test.secret, []byte(`{"update_id":1}`))); got != test.want+tail {
				t.Errorf("got\n%q\nwant\n%q", got, test.want+tail)
			}
		})
	}
}

func TestRequestNeverSent(t *testing.T) {
	update := []byte(`{"update_id":1}`)
	head := len(request(t, "https://a/", "secret", update)) - len(update)
	fits := "https://a/" + strings.Repeat("x", 4068-head)
	if got := request(t, fits, "secret", update); len(got) != 4068+len(update) {
		t.Errorf("a head of 4,068 bytes: got %d bytes", len(got))
	}
	if request(t, fits+"x", "secret", update) != nil {
		t.Error("a head of 4,069 bytes is sent")
	}
	if request(t, fits, "secret", make([]byte, 100)) != nil {
		t.Error("a head of 4,069 bytes is sent, in which the Content-Length has a digit more")
	}
	for _, bad := range []string{
		"", "https://", "https:///path", "ftp://a/", "https://a b/", "https://a:0/", "https://a:x/", "https://a:70000/",
		"https://[::1/", "https://u:p@w@host/", "https://u p@host/", "https://a%2/", "https://a:+80/",
		"https://a:/", "https://:443/", "https://[1.2.3.4]/", "https://./",
	} {
		if request(t, bad, "", nil) != nil {
			t.Errorf("%q counts as a url", bad)
		}
	}
}
