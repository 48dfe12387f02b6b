package telegramtest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestFaults(t *testing.T) {
	html := http.Header{"Content-Type": {"text/html"}, "Retry-After": {"3"}}
	a := NewAPI(APIOptions{})
	base, stop := a.Start()
	defer stop()
	for _, test := range []struct {
		name    string
		fault   *Fault
		status  int // 0 when there is no answer
		body    string
		cut     bool // while the body is read
		carried bool
	}{
		{"none", nil, 200, `{"ok":true,"result":true,"description":"Webhook was set"}`, false, true},
		{"HTML", &Fault{Status: 502, Header: html, Body: []byte("<h1>Bad gateway</h1>")}, 502, "<h1>Bad gateway</h1>", false, false},
		{"status", &Fault{Status: 500}, 500, "", false, false},
		{"10 MiB", &Fault{Body: []byte(`{"ok":`), Size: 10 << 20}, 200, `{"ok":` + strings.Repeat(" ", 10<<20-6), false, false},
		{"cut", &Fault{Cut: true}, 0, "", false, false},
		{"cut in the body", &Fault{Body: []byte(`{"ok":tr`), Cut: true}, 200, `{"ok":tr`, true, false},
		{"answer lost", &Fault{Carry: true, Cut: true}, 0, "", false, true},
		{"answer replaced", &Fault{Carry: true, Status: 504}, 504, "", false, true},
		{"late", &Fault{Delay: 1}, 200, `{"ok":true,"result":true,"description":"Webhook was set"}`, false, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			call(t, a, deletePath)
			a.mu.Lock()
			a.bots[token].nextSet = time.Time{}
			a.mu.Unlock()
			a.Fail(func(method string, params map[string]string) *Fault {
				if method != "setWebhook" || params["url"] != hookURL {
					return nil
				}
				return test.fault
			})
			// Without a body that could be read again it is not sent twice.
			resp, err := http.Post(base+setPath, "application/json", io.MultiReader(strings.NewReader(`{"url":"`+hookURL+`"}`)))
			if carried := a.Webhook(token).URL != ""; carried != test.carried {
				t.Errorf("carried out: %v", carried)
			}
			calls := a.Calls("setWebhook")
			if last := calls[len(calls)-1]; last.Params["url"] != hookURL || last.Status != test.status && test.status != 0 {
				t.Errorf("recorded %+v", last)
			}
			if test.status == 0 {
				if err == nil {
					resp.Body.Close()
					t.Errorf("got an answer: %d", resp.StatusCode)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			if resp.StatusCode != test.status || string(body) != test.body || errors.Is(err, io.ErrUnexpectedEOF) != test.cut {
				t.Errorf("got %d with %d bytes, %v", resp.StatusCode, len(body), err)
			}
			if test.name == "HTML" && (resp.Header.Get("Content-Type") != "text/html" || resp.Header.Get("Retry-After") != "3") {
				t.Errorf("got headers %v", resp.Header)
			}
		})
	}
	a.Fail(nil)
	call(t, a, deletePath).is(t, 200, "Webhook was deleted")
}

func TestDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAPI(t, nil, APIOptions{})
		a.Fail(func(string, map[string]string) *Fault { return &Fault{Delay: 70 * time.Second} })
		begin := time.Now()
		call(t, a, setPath, "url", hookURL).is(t, 200, "Webhook was set")
		if got := time.Since(begin); got != 70*time.Second {
			t.Errorf("answered after %v", got)
		}
	})
}

// A webhook may call a method in its answer; it is recorded among the others.
func TestCallInAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pipes{answer: func(int, string) string {
			return response(`{"method":"sendMessage","chat_id":5,"text":"hi"}`, "Content-Type: application/json\r\n")
		}}
		told := 0
		a := newAPI(t, p, APIOptions{Local: true, Sender: Options{OnAttempt: func(at Attempt) {
			if at.Call != nil && at.Call.Method == "sendMessage" {
				told++
			}
		}}})
		call(t, a, setPath, "url", plainURL)
		time.Sleep(time.Minute)
		a.Send(token, Updates()["message"])
		wait(t, a.Sender(token))
		calls := a.Calls("sendmessage")
		if len(calls) != 1 || told != 1 || a.Sender(token).Stats().Calls != 1 {
			t.Fatalf("got %+v, told %d", calls, told)
		}
		c := calls[0]
		if !c.InAnswer || c.Token != token || fmt.Sprint(c.Params) != "map[chat_id:5 text:hi]" || !c.At.Equal(time.Now()) {
			t.Errorf("got %+v", c)
		}
		all := a.Calls("")
		if len(all) != 2 || all[0].Method != "setWebhook" || all[1].Method != "sendMessage" {
			t.Errorf("got %+v", all)
		}
	})
}

// The bytes of an answer are Telegram's: the order of the fields, no escapes that
// JSON does not need, no line feed.
func TestReplyBytes(t *testing.T) {
	for want, r := range map[string]*reply{
		`{"ok":true,"result":[]}`: okReply([]json.RawMessage{}, ""),
		`{"ok":false,"error_code":400,"description":"Bad Request: <&>"}`:                                                errorReply(400, "Bad Request: <&>"),
		`{"ok":false,"error_code":429,"description":"Too Many Requests: retry after 9","parameters":{"retry_after":9}}`: retryReply(9),
	} {
		w := httptest.NewRecorder()
		r.write(w)
		if got := w.Body.String(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
