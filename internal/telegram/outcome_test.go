package telegram

import (
	"bufio"
	"fmt"
	"strings"
	"testing"
)

const (
	isJSON = "Content-Type: application/json\r\n"
	again  = "Telegram sends the update again at once, then after 2, 4, 8, 16, 32 and 64 seconds, then every one to two minutes, until it expires"

	overlooked = "delivered. Telegram does not run the sendMessage in the answer: it must be in one object, with Content-Type: application/json."
)

// answer is one on the
func answer(status, header, body string) string {
	return fmt.Sprintf("HTTP/1.1 %s\r\n%sContent-Length: %d\r\n\r\n%s", status, header, len(body), body)
}

func TestOutcome(t *testing.T) {
	for _, test := range []struct {
		name, answer string
		want         string
	}{
		{"200", answer("200 OK", "", ""), "delivered."},
		{"299", answer("299 x", "", ""), "delivered."},
		{"a call", answer("200 OK", isJSON, `{"method":"sendMessage","chat_id":1}`),
			"delivered, and Telegram runs the sendMessage in the answer."},
		{"a call in a form", answer("200 OK", "Content-Type: application/x-www-form-urlencoded\r\n", "method=sendMessage"),
			"delivered, and Telegram runs the sendMessage in the answer."},
		{"a call as text", answer("200 OK", "Content-Type: text/plain\r\n", `{"method":"sendMessage"}`), overlooked},
		{"a call without a type", answer("200 OK", "", `{"method":"sendMessage"}`), overlooked},
		{"a call in an array", answer("200 OK", isJSON, `[ {"method":"sendMessage"}]`), overlooked},
		{"a call in a text", answer("200 OK", isJSON, `"{\"method\":\"sendMessage\"}"`), overlooked},
		{"a call in multipart", answer("200 OK", "Content-Type: multipart/form-data; boundary=b\r\n",
			"--b\r\nContent-Disposition: form-data; name=\"method\"\r\n\r\nsendPhoto\r\n--b--\r\n"),
			"delivered, and Telegram runs the sendPhoto in the answer."},
		{"JSON without a call", answer("200 OK", "Content-Type: text/plain\r\n", `{"ok":true}`), "delivered."},
		{"a call that is not run", answer("200 OK", isJSON, `{"method":"getMe"}`),
			"delivered. Telegram does not run getMe from an answer; call it in a request of its own."},
		{"no length", "HTTP/1.1 200 OK\r\n" + isJSON + "\r\n" + `{"method":"sendMessage"}`,
			"delivered. Telegram does not look for a body, since there is neither a Content-Length nor chunked encoding."},
		{"103", answer("103 Early Hints", "", ""),
			"not delivered: Telegram takes the 103 as the final answer, and what follows as the answer to its next request. " + again + "."},
		{"301", answer("301 Moved", "Location: /x\r\n", ""),
			"not delivered: Telegram does not follow the redirect (301). " + again + "."},
		{"403", answer("403 Forbidden", "", ""), "not delivered: 403 is not from 200 to 299. " + again + "."},
		{"410", answer("410 Gone", "", ""),
			"not delivered: 410 is not from 200 to 299. " + again + ". After 23 hours of nothing but 410 it removes the webhook."},
		{"Retry-After", answer("503 x", "Retry-After: 5\r\n", ""),
			"not delivered: 503 is not from 200 to 299. Telegram sends the update again in 5 seconds, as Retry-After says, until it expires."},
		{"Retry-After of a day", answer("503 x", "Retry-After: 86400\r\n", ""),
			"not delivered: 503 is not from 200 to 299. Telegram sends the update again in 3600 seconds, as Retry-After says, until it expires."},
		{"Retry-After 0", answer("503 x", "Retry-After: 0\r\n", ""), "not delivered: 503 is not from 200 to 299. " + again + "."},
		{"Retry-After with a date", answer("503 x", "Retry-After: Wed, 21 Oct 2026 07:28:00 GMT\r\n", ""),
			"not delivered: 503 is not from 200 to 299. " + again + " (the Retry-After is not in whole seconds, so it does not count)."},
		{"Retry-After on a 2xx", answer("202 x", "Retry-After: 5\r\n", ""), "delivered."},
		{"br", answer("200 OK", "Content-Encoding: br\r\n", "x"),
			"not delivered: Telegram does not read the Content-Encoding br, only gzip and deflate. " + again + "."},
		{"over 1 MiB", answer("200 OK", isJSON, strings.Repeat("x", 1<<20+1)),
			"not delivered: an answer of JSON or of a form may have 1 MiB, one with files 50 MiB more, and this one is longer. " + again + "."},
		{"closed", "HTTP/1.1 200 OK\r\n",
			"not delivered: the connection was closed without a whole answer, of which Telegram notes nothing. " + again + "."},
		{"not HTTP", "SSH-2.0-x\r\n\r\n", `not delivered: Telegram cannot read the answer ("Not Implemented"). ` + again + "."},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := ReadAnswer(bufio.NewReader(strings.NewReader(test.answer))).Outcome()
			if got != test.want {
				t.Errorf("got %s\nwant %s", got, test.want)
			}
		})
	}
}

func TestTimeout(t *testing.T) {
	const want = "not delivered: there was no whole answer within 60 seconds. " + again + "."
	if got := (&Answer{Err: ErrReadTimeout}).Outcome(); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}
