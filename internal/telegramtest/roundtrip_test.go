package telegramtest

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestRoundTrip calls the API without a network, in a clock of its own.
func TestRoundTrip(t *testing.T) {
	for name, test := range map[string]struct {
		fault    *Fault
		err      error
		body     string
		bodyErr  error
		canceled bool
	}{
		"an answer":           {nil, nil, `{"ok":true,"result":{"url":"",`, nil, false},
		"a status":            {&Fault{Status: 502, Body: []byte("<html>")}, nil, "<html>", nil, false},
		"no answer":           {&Fault{Cut: true}, io.EOF, "", nil, false},
		"an answer cut off":   {&Fault{Body: []byte(`{"ok"`), Cut: true}, nil, `{"ok"`, io.ErrUnexpectedEOF, false},
		"an answer in an age": {&Fault{Delay: time.Hour}, http.ErrHandlerTimeout, "", nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := newAPI(t, nil, APIOptions{})
				a.Fail(func(string, map[string]string) *Fault { return test.fault })
				client := &http.Client{Transport: a, Timeout: time.Minute}
				response, err := client.Post("https://api.telegram.org/bot"+token+"/getWebhookInfo", "", nil)
				if err != nil {
					if test.err == nil || !test.canceled && !errors.Is(err, test.err) {
						t.Errorf("got %v, want %v", err, test.err)
					}
					return
				}
				defer response.Body.Close()
				body, err := io.ReadAll(response.Body)
				if test.err != nil || !strings.HasPrefix(string(body), test.body) || !errors.Is(err, test.bodyErr) {
					t.Errorf("got %s, %v", body, err)
				}
			})
		})
	}
}

// TestTakeOver has somebody else register the bot.
func TestTakeOver(t *testing.T) {
	a := newAPI(t, nil, APIOptions{NoDelivery: true})
	call(t, a, setPath, "url", hookURL).is(t, 200, "Webhook was set")
	const other = "https://other.example.com/"
	if !a.TakeOver(token, map[string]string{"url": other}, nil) || a.Webhook(token).URL != other {
		t.Errorf("not taken over: %+v", a.Webhook(token))
	}
	if calls := a.Calls(""); len(calls) != 1 {
		t.Errorf("recorded: %+v", calls)
	}
	call(t, a, setPath, "url", hookURL).is(t, 200, "Webhook was set")
	if !a.TakeOver(token, nil, nil) || a.Webhook(token).URL != "" {
		t.Errorf("not deleted: %+v", a.Webhook(token))
	}
	a.Send(token, []byte(`{"update_id":1}`))
	a.Sender(token).SetLastError("Connection refused", time.Unix(1, 0))
	if s := a.Sender(token).Stats(); s.Pending != 1 || s.Connections != 0 || s.LastError != "Connection refused" {
		t.Errorf("got %+v", s)
	}
}
