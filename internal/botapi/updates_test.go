package botapi

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestGetUpdates returns the updates byte for byte, and sends every parameter.
func TestGetUpdates(t *testing.T) {
	const first, second = "{\"update_id\":7,\n\"message\":{\"text\":\"\\u00e9 <&\"}}", `{"update_id":8}`
	s := record(t, `{"ok":true,"result":[`+first+`,`+second+`]}`)
	got, err := client(t, s.URL).GetUpdates(t.Context(), Poll{Offset: 7, Limit: 100, Timeout: LongPoll})
	if err != nil || len(got) != 2 || string(got[0]) != first || string(got[1]) != second {
		t.Errorf("got %q, %v", got, err)
	}
	body := string(s.only(t).body)
	for name, value := range map[string]string{"offset": "7", "limit": "100", "timeout": "50", "allowed_updates": "[]"} {
		if !strings.Contains(body, `name="`+name+"\"\r\n\r\n"+value+"\r\n") {
			t.Errorf("no %s=%s in %s", name, value, body)
		}
	}
}

// TestNoUpdates tells an empty list from an answer that has none.
func TestNoUpdates(t *testing.T) {
	for body, ok := range map[string]bool{`{"ok":true,"result":[]}`: true, `{"ok":true,"result":null}`: false, `{"ok":true}`: false, `{"ok":true,"result":{}}`: false} {
		got, err := client(t, record(t, body).URL).GetUpdates(t.Context(), Poll{})
		if (err == nil) != ok || len(got) > 0 {
			t.Errorf("%s: got %q, %v", body, got, err)
		}
		if !ok {
			checkFailure(t, err)
		}
	}
}

// TestLongPollTime gives up after Telegram must have answered.
func TestLongPollTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := client(t, "http://bot-api.test")
		transport := c.http.Transport.(*http.Transport)
		transport.Proxy = nil
		transport.DialContext = func(context.Context, string, string) (net.Conn, error) {
			ours, theirs := net.Pipe()
			go io.Copy(io.Discard, theirs)
			return ours, nil
		}
		start := time.Now()
		_, err := c.GetUpdates(t.Context(), Poll{Timeout: LongPoll})
		if took := time.Since(start); took <= LongPoll+10*time.Second || took > 2*time.Minute || !strings.Contains(err.Error(), "time-out") {
			t.Errorf("after %v: %v", took, err)
		}
	})
}

// TestRun sends the answer's own bytes, whatever the result is.
func TestRun(t *testing.T) {
	for _, result := range []string{`true`, `{"message_id":1}`, `[]`} {
		s := record(t, `{"ok":true,"result":`+result+`}`)
		const body, contentType = "{\"method\":\"sendMessage\",\x00", "application/json; charset=x"
		if err := client(t, s.URL).Run(t.Context(), "sendMessage", contentType, []byte(body)); err != nil {
			t.Error(err)
		}
		got := s.only(t)
		if got.path != "/bot"+plantedToken+"/sendMessage" || got.contentType != contentType || string(got.body) != body {
			t.Errorf("got %q", got)
		}
	}
}

// TestRunRefused reports the refusal, without the token.
func TestRunRefused(t *testing.T) {
	s := record(t, `{"ok":false,"error_code":400,"description":"Bad Request: no `+plantedToken+` here"}`)
	err := client(t, s.URL).Run(t.Context(), "sendMessage", "application/json", []byte(`{}`))
	if err == nil || err.Error() != "sendMessage: refused with 400: Bad Request: no [hidden] here" {
		t.Errorf("got %v", err)
	}
}

// TestRunWithoutName calls nothing for what is no name: it would become part of the URL.
func TestRunWithoutName(t *testing.T) {
	s := record(t, done)
	for _, method := range []string{"", "../getMe", "test/sendMessage", "sendMessage?x=1", "send%4dessage", "send Message", strings.Repeat("x", 65)} {
		if client(t, s.URL).Run(t.Context(), method, "application/json", nil) == nil {
			t.Errorf("%q was called", method)
		}
	}
	if len(s.requests) > 0 {
		t.Errorf("got %q", s.requests)
	}
}
