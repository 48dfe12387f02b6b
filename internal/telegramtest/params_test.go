package telegramtest

import (
	"bufio"
	"bytes"
	"fmt"
	"maps"
	"mime/multipart"
	"strings"
	"testing"
	"testing/synctest"

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
		{"JSON with numbers that are none", "application/json", `{"chat_id":05,"x":+.5e,"y":{"z":[1.2.3]},"method":"sendMessage"}`,
			Params{"chat_id": "05", "x": "+.5e", "y": `{"z":[1.2.3]}`}},
		{"JSON that is no UTF-8", "application/json", "{\"method\":\"sendMessage\",\"text\":\"\xff\\q\\\"\\u0041\\uD83D\\uDE80\"}", Params{"text": "\xffq\"A\U0001F680"}},
		{"JSON with nothing in it", "application/json", ` { "a" : [ ] , "b" : { } , "method" : "sendMessage" , "c" : null } `, Params{"a": "[ ]", "b": "{ }", "c": "null"}},
		{"JSON with a comma too many", "application/json", `{"method":"sendMessage",}`, Params{}},
		{"JSON, broken in an object", "application/json", `{"x":{"y" 1},"method":"sendMessage"}`, nil},
		{"JSON, broken in a list", "application/json", `{"x":[1,],"method":"sendMessage"}`, nil},
		{"JSON, broken in a word", "application/json", `{"x":nil,"method":"sendMessage"}`, nil},
		{"JSON, too deep", "application/json", `{"x":` + strings.Repeat("[", 102) + strings.Repeat("]", 102) + `,"method":"sendMessage"}`, nil},
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

// A file in an answer is part of the call, however long it is.
func TestMethodCallWithFile(t *testing.T) {
	photo := strings.Repeat("x", 3<<20)
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	f, _ := w.CreateFormFile("photo", "a.png")
	f.Write([]byte(photo))
	w.WriteField("method", "sendPhoto")
	w.Close()
	synctest.Test(t, func(t *testing.T) {
		p := &pipes{answer: func(int, string) string {
			return response(body.String(), "Content-Type: "+w.FormDataContentType()+"\r\n")
		}}
		a := newAPI(t, p, APIOptions{Local: true})
		call(t, a, setPath, "url", plainURL)
		a.Send(token, []byte(inChat(1, 1)))
		wait(t, a.Sender(token))
		calls := a.Calls("sendPhoto")
		if len(calls) != 1 || string(calls[0].Files["photo"]) != photo {
			t.Errorf("%d calls", len(calls))
		}
	})
}
