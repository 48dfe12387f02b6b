package telegramtest

import (
	"bufio"
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/caddy-telegram/telegramwebhook/internal/telegram"
)

func TestMethodCall(t *testing.T) {
	const part = "--b\r\nContent-Disposition: form-data; name="
	message := Params{"chat_id": "5", "text": `a "b"`}
	for _, test := range []struct {
		name, contentType, body string
		want                    Params // nil if nothing is called
	}{
		{"JSON", "application/json; charset=utf-8", `{"method":"sendMessage","chat_id":5,"text":"a \"b\"","text":"later"}`, message},
		{"JSON, broken behind", "application/json", `{"method":"sendMessage","chat_id":5,`, Params{"chat_id": "5"}},
		{"form", "application/x-www-form-urlencoded", "method=sendMessage&text=a+%22b%22&chat_id=5", message},
		{"multipart", "multipart/form-data; boundary=b", part + "method\r\n\r\nsendMessage\r\n" + part + "chat_id\r\n\r\n5\r\n" +
			part + "photo; filename=a\r\n\r\nx\r\n" + part + "text\r\n\r\na \"b\"\r\n--b--\r\n", message},
		{"a method that is not run", "application/json", `{"method":"getMe"}`, nil},
		{"text", "text/plain", `{"method":"sendMessage"}`, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			answer := fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s", test.contentType, len(test.body), test.body)
			a := telegram.ReadAnswer(bufio.NewReader(strings.NewReader(answer)))
			var got Params
			if call := methodCall(a); call != nil {
				got = call.Params
				if call.Method != "sendMessage" {
					t.Errorf("calls %q", call.Method)
				}
			}
			if a.Err != nil || !maps.Equal(got, test.want) || (got == nil) != (test.want == nil) {
				t.Errorf("got %q, %v, want %q", got, a.Err, test.want)
			}
		})
	}
}
