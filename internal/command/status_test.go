package command

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// now is when these tests take place.
func now() time.Time { return time.Date(2026, 7, 28, 12, 0, 0, 0, time.UTC) }

// adminTest is an admin API with one answer to every GET.
type adminTest struct {
	address  string
	requests []string // as they came, one after another
}

func startAdmin(t *testing.T, status int, answer string) *adminTest {
	t.Helper()
	a := new(adminTest)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.requests = append(a.requests, r.Method+" "+r.RequestURI)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, answer)
	}))
	t.Cleanup(server.Close)
	a.address = server.Listener.Addr().String()
	return a
}

func testdata(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func (a *adminTest) status(t *testing.T, args ...string) result {
	t.Helper()
	return execute(t, reporter{now}.command(), append([]string{"status", "--address", a.address}, args...), "")
}

// What is shown of webhooks in every state.
func TestStatus(t *testing.T) {
	admin := startAdmin(t, http.StatusOK, testdata(t, "webhooks.json"))
	got := admin.status(t)
	golden(t, "status.txt", got.out)
	if got.failure != "exiting with status 2" || got.err != "" {
		t.Errorf("got %+v", got)
	}
	for name, failure := range map[string]string{
		"123456789": "", "bot.example.com/hook": "", "plain": "", "fresh": "exiting with status 2", "shop": "exiting with status 2",
		"gone": "exiting with status 2", "old": "exiting with status 2", "fought": "exiting with status 2",
	} {
		got := admin.status(t, name)
		if got.failure != failure || got.err != "" {
			t.Errorf("%s: got %+v", name, got)
		}
		if name == "shop" {
			golden(t, "status_shop.txt", got.out)
		}
	}
}

// webhooks are those of that names in testdata, as the admin API lists them.
func webhooks(t *testing.T, names ...string) string {
	t.Helper()
	var all, some []webhook
	if err := json.Unmarshal([]byte(testdata(t, "webhooks.json")), &all); err != nil {
		t.Fatal(err)
	}
	for _, w := range all {
		if slices.Contains(names, w.Name) {
			some = append(some, w)
		}
	}
	list, err := json.Marshal(some)
	if err != nil {
		t.Fatal(err)
	}
	return string(list)
}

// documented requires that a page shows what a command really prints.
func documented(t *testing.T, page, command, printed string) {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("../..", page))
	if err != nil {
		t.Fatal(err)
	}
	if block := "$ caddy telegram-webhook " + command + "\n" + printed; !strings.Contains(string(content), block) {
		t.Errorf("%s does not show\n%s", page, block)
	}
}

// What the documentation shows is what is printed.
func TestStatusDocumented(t *testing.T) {
	one := startAdmin(t, http.StatusOK, webhooks(t, "123456789")).status(t)
	documented(t, "README.md", "status", one.out)
	documented(t, "docs/command.md", "status 123456789", one.out)
	several := startAdmin(t, http.StatusOK, webhooks(t, "123456789", "bot.example.com/hook", "shop")).status(t)
	documented(t, "docs/command.md", "status", several.out)
}

// One webhook is shown in full, and as JSON it is what was answered: a list, or
// with its name an object.
func TestStatusOfOne(t *testing.T) {
	const answer = `{"name":"one","state":"registered","secret":{"source":"kept"},"requests":{},"new <field>":[1]}`
	admin := startAdmin(t, http.StatusOK, "["+answer+"]")
	if got := admin.status(t); !strings.HasPrefix(got.out, "name     one\nstate    registered\n") || got.failure != "" {
		t.Errorf("got %+v", got)
	}
	oneLine := func(s string) string { return strings.NewReplacer("\n", "", "  ", "", ": ", ":").Replace(s) }
	if got := admin.status(t, "--json"); oneLine(got.out) != "["+answer+"]" {
		t.Errorf("got %s", got.out)
	}
	if got := admin.status(t, "--json", "one"); oneLine(got.out) != answer {
		t.Errorf("got %s", got.out)
	}
	if got := startAdmin(t, http.StatusOK, "[]").status(t, "--json"); got.out != "[]\n" || got.failure != "" {
		t.Errorf("no webhook: got %+v", got)
	}
}

// What goes wrong is told in a sentence. A name is not repeated, nor asked for:
// it may be a secret.
func TestStatusErrors(t *testing.T) {
	for name, tc := range map[string]struct {
		status int
		answer string
		args   []string
		want   string
	}{
		"no webhook":        {200, `[]`, nil, "the configuration that runs has no telegram_webhook"},
		"no such name":      {200, `[{"name":"a"},{"name":"b"}]`, []string{rightSecret}, "no webhook has this name; there is a, b"},
		"two names":         {200, `[]`, []string{"a", rightSecret}, "give the name of one webhook at most"},
		"another server":    {404, "404 page not found\n", nil, "knows no telegram_webhook"},
		"another answer":    {200, "<html>", nil, "knows no telegram_webhook"},
		"a foreign origin":  {403, `{"error":"host not allowed: a"}`, nil, "host not allowed: a"},
		"a terminal's code": {500, `{"error":"\u001b[31m"}`, nil, `\x1b[31m`},
	} {
		admin := startAdmin(t, tc.status, tc.answer)
		got := admin.status(t, tc.args...)
		if !strings.Contains(got.failure, tc.want) || got.out != "" || strings.Contains(got.failure+got.err, rightSecret) {
			t.Errorf("%s: got %+v", name, got)
		}
		for _, r := range admin.requests {
			if r != "GET /telegram_webhook/" {
				t.Errorf("%s: got %s", name, r)
			}
		}
	}
	nobody := &adminTest{address: "127.0.0.1:1"}
	if got := nobody.status(t); got.failure != "the admin API at 127.0.0.1:1 cannot be reached: dial tcp 127.0.0.1:1: connect: connection refused. "+
		"Is Caddy running? If its admin address is another, give it with --address, or the configuration with --config" {
		t.Errorf("nobody there: got %+v", got)
	}
	for _, args := range [][]string{{"--address", "a:1-2"}, {"--config", "/does/not/exist"}, {"--config", "a", "--address", "b"}} {
		if got := command(t, "", append([]string{"status"}, args...)...); got.failure == "" || got.out != "" {
			t.Errorf("%q: got %+v", args, got)
		}
	}
}
