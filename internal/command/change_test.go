package command

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
)

// changed notes what is asked for, after the list: any webhook is there, and what
// is to be done with it is done, or refused.
type changed struct {
	address string
	mu      sync.Mutex
	asked   []string
}

func startChanged(t *testing.T, name string, refuse string) *changed {
	t.Helper()
	c := new(changed)
	webhook := fmt.Sprintf(`{"name":%q,"state":"registered","url":"https://bot.example.com/","secret":{"source":"kept"}}`, name)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		defer c.mu.Unlock()
		switch {
		case r.Method == http.MethodGet:
			_, _ = io.WriteString(w, "["+webhook+"]")
			return
		case refuse != "":
			w.WriteHeader(http.StatusBadGateway)
			_, _ = fmt.Fprintf(w, `{"error":%q}`, refuse)
		default:
			_, _ = io.WriteString(w, webhook)
		}
		c.asked = append(c.asked, r.Method+" "+strings.TrimPrefix(r.RequestURI, "/telegram_webhook/"))
	}))
	t.Cleanup(server.Close)
	c.address = server.Listener.Addr().String()
	return c
}

func (c *changed) command(t *testing.T, stdin string, args ...string) result {
	t.Helper()
	return command(t, stdin, slices.Insert(args, 1, "--address", c.address)...)
}

// Each asks for one thing, of whatever name, and says what was done.
func TestChange(t *testing.T) {
	for _, tc := range []struct {
		name, line, asked, said string
	}{
		{"bot", "rotate", "POST bot/rotate", "Telegram has a new secret"},
		{"bot", "rotate bot", "POST bot/rotate", "Telegram has a new secret"},
		{"a/%b c?#é", "register", "POST a%2F%25b%20c%3F%23%C3%A9/register", "registered as https://bot.example.com/"},
		{"..", "register", "POST %2E%2E/register", "registered as https://bot.example.com/"},
		{"bot", "register --drop-pending-updates", "POST bot/register?drop_pending_updates=true",
			"registered as https://bot.example.com/, and the updates that waited are thrown away"},
		{"a.b:443", "delete --yes", "DELETE a%2Eb:443", "deleted; `register` brings it back"},
		{"bot", "delete -y --drop-pending-updates bot", "DELETE bot?drop_pending_updates=true",
			"deleted, and the updates that waited are thrown away; `register` brings it back"},
	} {
		c := startChanged(t, tc.name, "")
		got := c.command(t, "", strings.Fields(tc.line)...)
		if want := tc.name + ": " + tc.said + "\n"; got.out != want || got.err != "" || got.failure != "" || !slices.Equal(c.asked, []string{tc.asked}) {
			t.Errorf("%s: got %+v, asked %q", tc.line, got, c.asked)
		}
	}
	for _, line := range []string{"rotate", "register", "delete --yes"} {
		c := startChanged(t, "bot", "the reason")
		if got := c.command(t, "", strings.Fields(line)...); got.failure != "bot: the reason" || got.out != "" {
			t.Errorf("%s, refused: got %+v", line, got)
		}
	}
}

// Nothing is deleted without a yes.
func TestDeleteAsks(t *testing.T) {
	for stdin, failure := range map[string]string{
		"y\n": "", "YES\r\n": "", "y": "",
		"\n": "nothing is done", "no\n": "nothing is done", "yep\n": "nothing is done", "n\ny\n": "nothing is done",
		strings.Repeat(" ", 400) + "y\n": "nothing is done",
		"":                               "nothing is done: there is no answer on standard input; --yes goes on without",
	} {
		c := startChanged(t, "bot", "")
		got := c.command(t, stdin, "delete")
		if got.failure != failure || (failure == "") != slices.Equal(c.asked, []string{"DELETE bot"}) || (failure == "") != (got.out != "") {
			t.Errorf("%q: got %+v, asked %q", stdin, got, c.asked)
		}
		if !strings.HasPrefix(got.err, "Delete the webhook of bot? [y/N] ") {
			t.Errorf("%q: asked %q", stdin, got.err)
		}
	}
	c := startChanged(t, "bot", "")
	if got := c.command(t, "y\n", "delete", "--drop-pending-updates"); !strings.HasPrefix(got.err, "Delete the webhook of bot, and throw away the updates that wait? ") {
		t.Errorf("got %+v", got)
	}
}

// Of several webhooks one must be named.
func TestChangeNeedsAName(t *testing.T) {
	for _, name := range []string{"rotate", "register", "delete"} {
		admin := startAdmin(t, http.StatusOK, testdata(t, "webhooks.json"))
		got := command(t, "y\n", name, "--address", admin.address)
		if !strings.HasPrefix(got.failure, "there are 8 webhooks, so name one: 123456789, bot.example.com/hook, ") || !slices.Equal(admin.requests, []string{"GET /telegram_webhook/"}) {
			t.Errorf("%s: got %+v, asked %q", name, got, admin.requests)
		}
	}
}
