package botapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestRefusals(t *testing.T) {
	for name, tc := range map[string]struct {
		status int
		body   string
		want   Error
	}{
		"bad request": {
			400, `{"ok":false,"error_code":400,"description":"Bad Request: bad webhook: IP address 127.0.0.1 is reserved"}`,
			Error{Code: 400, Description: "Bad Request: bad webhook: IP address 127.0.0.1 is reserved"},
		},
		"too many requests": {
			429, `{"ok":false,"error_code":429,"description":"Too Many Requests: retry after 5","parameters":{"retry_after":5}}`,
			Error{Code: 429, Description: "Too Many Requests: retry after 5", RetryAfter: 5 * time.Second},
		},
		"code of its own":         {200, `{"ok":false,"error_code":409,"description":"Conflict"}`, Error{Code: 409, Description: "Conflict"}},
		"code that cannot be":     {502, `{"ok":false,"error_code":-1,"description":"x"}`, Error{Code: 502, Description: "x"}},
		"code too large":          {401, `{"ok":false,"error_code":4000,"description":"x"}`, Error{Code: 401, Description: "x"}},
		"no ok at all":            {403, `{"description":"x"}`, Error{Code: 403, Description: "x"}},
		"a time that is too long": {429, `{"description":"x","parameters":{"retry_after":9223372036854775807}}`, Error{Code: 429, Description: "x", RetryAfter: time.Hour}},
		"a negative time":         {429, `{"description":"x","parameters":{"retry_after":-5}}`, Error{Code: 429, Description: "x"}},
		"the request's URL": {
			404, `{"ok":false,"description":"no https://api.telegram.org/bot` + plantedToken + `/x nor \/bot` + strings.ReplaceAll(plantedToken, ":", "%3a") + `"}`,
			Error{Code: 404, Description: "no https://api.telegram.org/bot[hidden]/x nor /bot[hidden]"},
		},
		"the token as escapes": {
			404, `{"description":"` + escaped(plantedToken) + ` and ` + escaped(plantedSecret) + `"}`,
			Error{Code: 404, Description: "[hidden] and [hidden]"},
		},
		"the secret half":      {404, `{"description":"<` + plantedHalf + `>"}`, Error{Code: 404, Description: "<[hidden]>"}},
		"the webhook's secret": {400, `{"description":"bad ` + plantedSecret + `!"}`, Error{Code: 400, Description: "bad [hidden]!"}},
		"several lines":        {400, `{"description":"a\r\n\u001b[31m\u2028b\u0000 c"}`, Error{Code: 400, Description: `a\r\n\x1b[31m\u2028b\x00 c`}},
		"much of it": {
			400, `{"description":"x` + strings.Repeat("ж", 500) + plantedToken + `"}`,
			Error{Code: 400, Description: "x" + strings.Repeat("ж", maxText-1) + "…"},
		},
		"cut within the token": {
			400, `{"description":"` + strings.Repeat("x", maxText-20) + strings.Repeat(plantedToken+"/", 3) + `"}`,
			Error{Code: 400, Description: strings.Repeat("x", maxText-20) + "[hidden]/[hidden]/[h" + "…"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, func(w http.ResponseWriter, r *http.Request) {
				w.WriteHeader(tc.status)
				io.WriteString(w, tc.body)
			})
			err := calls["setWebhook"](client(t, s.URL), context.Background())
			got, ok := errors.AsType[*Error](fmt.Errorf("registering: %w", err))
			if !ok {
				t.Fatalf("no refusal: %v", err)
			}
			tc.want.Method = "setWebhook"
			if *got != tc.want {
				t.Errorf("got  %#v\nwant %#v", *got, tc.want)
			}
			if want := fmt.Sprintf("setWebhook: refused with %d: %s", tc.want.Code, tc.want.Description); err.Error() != want {
				t.Errorf("got %q, want %q", err, want)
			}
			search(t, "the error", err)
		})
	}
}

// escaped writes a string as JSON escapes.
func escaped(s string) string {
	var b strings.Builder
	for _, c := range s {
		fmt.Fprintf(&b, `\u%04x`, c)
	}
	return b.String()
}

// A secret of a few letters is not looked for: it stands in any text.
func TestShortSecretIsNoPattern(t *testing.T) {
	s := serve(t, reply(400, `{"description":"Bad Request: bad webhook"}`))
	err := client(t, s.URL).SetWebhook(context.Background(), Webhook{URL: "https://bot.example.com/", Secret: "bad"}, false)
	if err == nil || err.Error() != "setWebhook: refused with 400: Bad Request: bad webhook" {
		t.Errorf("got %v", err)
	}
}

func TestForeignAnswers(t *testing.T) {
	const check = "; check the network, DNS, the proxy (HTTPS_PROXY) and the api URL"
	foreign := func(status int) string {
		return fmt.Sprintf(" answers with HTTP status %d, but not as the Bot API does; check the api URL, and what answers in its place", status)
	}
	const ok = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
	html := "<html><title>502 /bot" + plantedToken + "/ " + plantedSecret + "</title></html>"
	for name, tc := range map[string]struct {
		answer, want string
	}{
		"redirect": {
			"HTTP/1.1 301 Moved\r\nLocation: https://me:planted@other.example/bot" + plantedToken + "/x\r\nContent-Length: 0\r\n\r\n",
			foreign(301),
		},
		"redirect that keeps the method": {
			"HTTP/1.1 307 Moved\r\nLocation: https://" + plantedHalf + "/\r\nContent-Length: 0\r\n\r\n",
			foreign(307),
		},
		"redirect on the same server": {
			"HTTP/1.1 308 Moved\r\nLocation: /login?from=/bot" + plantedToken + "\r\nContent-Length: 0\r\n\r\n",
			foreign(308),
		},
		"page": {
			"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n\r\n" + html,
			foreign(200),
		},
		"page of a server in trouble": {
			"HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/html\r\n\r\n" + html,
			foreign(502),
		},
		"type that shows the token": {
			"HTTP/1.1 404 Not Found\r\nContent-Type: text/" + plantedHalf + "\r\n\r\n",
			foreign(404),
		},
		"no type": {
			"HTTP/1.1 200 OK\r\n\r\n" + html,
			foreign(200),
		},
		"status that shows the token": {
			"HTTP/1.1 403 " + plantedToken + "\r\nContent-Length: 0\r\n\r\n",
			foreign(403),
		},
		"two answers in one": {
			ok + "\r\n" + noWebhook + noWebhook,
			foreign(200),
		},
		"cut off":                 {ok + "Content-Length: 90\r\n\r\n" + `{"ok":true,"res`, ": unexpected EOF" + check},
		"cut off between chunks":  {ok + "Transfer-Encoding: chunked\r\n\r\n5\r\n{\"ok\"\r\n", ": unexpected EOF" + check},
		"cut off without a trace": {ok + "\r\n" + `{"ok":true,"result":{"url":"`, foreign(200)},
		"broken chunks": {
			ok + "Transfer-Encoding: chunked\r\n\r\nzzzz\r\n", ": invalid byte in chunk length" + check,
		},
		"ok: false":           {"HTTP/1.1 400 Bad Request\r\n\r\n" + `{"ok":false}`, foreign(400)},
		"an empty object":     {ok + "\r\n{}", foreign(200)},
		"null":                {ok + "\r\nnull", foreign(200)},
		"ok, but a status":    {"HTTP/1.1 500 Oh\r\n\r\n" + noWebhook, foreign(500)},
		"ok: true alone":      {ok + "\r\n" + `{"ok":true}`, foreign(200)},
		"a list":              {ok + "\r\n[1]", foreign(200)},
		"ok as text":          {ok + "\r\n" + `{"ok":"true"}`, foreign(200)},
		"description as list": {ok + "\r\n" + `{"ok":false,"description":["x"]}`, foreign(200)},
		"code as text":        {ok + "\r\n" + `{"ok":false,"error_code":"x"}`, foreign(200)},
		"parameters as text":  {ok + "\r\n" + `{"parameters":"x"}`, foreign(200)},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, raw(func(*http.Request) string { return tc.answer }))
			for method, call := range calls {
				err := call(client(t, s.URL), context.Background())
				if err == nil || err.Error() != method+": "+s.URL+tc.want && err.Error() != method+": no answer from "+s.URL+tc.want {
					t.Errorf("got %v", err)
				}
				checkFailure(t, err)
			}
		})
	}
}

func TestWrongResults(t *testing.T) {
	for result, method := range map[string]string{
		`"yes"`:                                 "setWebhook",
		`false`:                                 "setWebhook",
		`null`:                                  "deleteWebhook",
		`[]`:                                    "getWebhookInfo",
		`true`:                                  "getWebhookInfo",
		`{}`:                                    "getWebhookInfo",
		`{"url":null}`:                          "getWebhookInfo",
		`{"url":["` + plantedToken + `"]}`:      "getWebhookInfo",
		`{"url":"","max_connections":"40"}`:     "getWebhookInfo",
		`{"url":"","pending_update_count":1.5}`: "getWebhookInfo",
		`{"url":"","last_error_date":` + strings.Repeat("9", 5000) + `}`: "getWebhookInfo",
		`{"url":"","last_error_date":1e17}`:                              "getWebhookInfo",
		`{"url":"","last_error_date":99999999999}`:                       "getWebhookInfo",
		`{"url":"","last_error_date":-1}`:                                "getWebhookInfo",
		`{"url":"","allowed_updates":[1]}`:                               "getWebhookInfo",
	} {
		s := serve(t, reply(200, `{"ok":true,"result":`+result+`}`))
		err := calls[method](client(t, s.URL), context.Background())
		if err == nil || !strings.HasPrefix(err.Error(), method+": "+s.URL) || !strings.Contains(err.Error(), "but not as the Bot API does") {
			t.Errorf("%.60s: got %v", result, err)
		}
		checkFailure(t, err)
	}
}
