package integration

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/caddy-telegram/telegramwebhook/integration/caddytest"
)

// TestOrphans takes a bot out of the configuration, and the last one too: storage still has
// its records, and Telegram its webhook.
func TestOrphans(t *testing.T) {
	t.Parallel()
	api, address := caddytest.StartTelegram(t)
	bot := caddytest.StartBot(t, func(http.ResponseWriter, *http.Request) {})
	admin, port := caddytest.FreePort(t), caddytest.FreePort(t)
	options := fmt.Sprintf("admin localhost:%d", admin)
	with := keptSite(port, address, bot, options)
	without := "{\n\t" + options + "\n}\n"
	c := caddytest.Start(t, with)
	c.Out.Wait(t, "webhook registered")
	records, _ := filepath.Glob(c.File("data/caddy/telegram_webhook/*"))
	if len(records) != 1 {
		t.Fatalf("the records are in %q", records)
	}
	name := filepath.Base(records[0]) // it tells the Bot API server too
	url := api.Webhook(caddytest.BotToken).URL
	list := func(query string) string {
		t.Helper()
		_, body := operate(t, admin, http.MethodGet, query)
		return strings.TrimSpace(body)
	}
	left := func() (files []string) {
		files, _ = filepath.Glob(c.File("data/caddy/telegram_webhook/*/*.json"))
		return files
	}

	if one, all := list(""), list("?all=true"); strings.Contains(all, "orphaned") || strings.Count(all, `"name"`) != strings.Count(one, `"name"`) {
		t.Errorf("a bot of the configuration: %s", all)
	}
	caddytest.Load(t, admin, without)
	if got := list(""); got != "[]" {
		t.Errorf("only the configuration: %s", got)
	}
	o := fmt.Sprintf("localhost:%d", admin)
	out, errs, status := c.CLI("status", "--all", "--address", o)
	if want := regexp.MustCompile(`^name        ` + name + `
state       orphaned for \d+ seconds?
detail      there are records in storage, and no webhook in the configuration
url         ` + url + `
registered  \d+ seconds? ago by .+
advice      Telegram may still have the webhook; .* Then remove the records: caddy telegram-webhook delete ` + name + `
$`); status != 2 || errs != "" || !want.MatchString(out) {
		t.Errorf("status --all: %d %s%s", status, out, errs)
	}
	out, errs, status = c.CLI("delete", "--yes", name, "--address", o)
	if status != 0 || !strings.HasPrefix(out, name+": the records are removed from storage. Telegram may still have the webhook;") || len(left()) > 0 {
		t.Errorf("delete: %d %s%s, and there is %q", status, out, errs, left())
	}
	if len(api.Calls("deleteWebhook")) > 0 || api.Webhook(caddytest.BotToken).URL != url {
		t.Error("Telegram was told something")
	}
	if got := list("?all=true"); got != "[]" {
		t.Errorf("after that there is %s", got)
	}
	if code, body := operate(t, admin, http.MethodDelete, name); code != http.StatusNotFound || !strings.Contains(body, "no webhook has the name") {
		t.Errorf("deleting it again: %d %s", code, body)
	}

	// What was deleted on demand is listed too; its records go as well.
	caddytest.Load(t, admin, with)
	caddytest.WaitUntil(t, "it is registered", func() bool { return state(t, admin, "123456789").State == "registered" })
	if code, body := operate(t, admin, http.MethodDelete, "123456789"); code != http.StatusOK {
		t.Errorf("delete: %d %s", code, body)
	}
	caddytest.Load(t, admin, without)
	if got := list("?all=true"); !strings.Contains(got, `"advice":"Remove the records: caddy telegram-webhook delete `+name+`"`) || len(left()) == 0 {
		t.Errorf("deleted on demand: %s, with %q", got, left())
	}
	if out, errs, status := c.CLI("delete", "--yes", name, "--address", o); status != 0 || out != name+": the records are removed from storage.\n" || len(left()) > 0 {
		t.Errorf("what is left: %d %s%s, and there is %q", status, out, errs, left())
	}
}

// TestOrphansOfOthers has records of a bot that another node has in its configuration, and
// of the same bot at another Bot API server.
func TestOrphansOfOthers(t *testing.T) {
	t.Parallel()
	_, address := caddytest.StartTelegram(t)
	bot := caddytest.StartBot(t, func(http.ResponseWriter, *http.Request) {})
	admin := caddytest.FreePort(t)
	c := caddytest.Start(t, keptSite(caddytest.FreePort(t), address, bot, fmt.Sprintf("admin localhost:%d", admin)))
	c.Out.Wait(t, "webhook registered")
	write := func(name, content string) string {
		t.Helper()
		file := "data/caddy/telegram_webhook/" + name + "/registration.json"
		err := os.MkdirAll(filepath.Dir(c.File(file)), 0o700)
		if err == nil {
			err = caddytest.WriteFile(c.File(file), content)
		}
		if err != nil {
			t.Fatal(err)
		}
		return file
	}
	other := write("987654321", fmt.Sprintf(`{"version":1,"process":"web-7","checked_at":%q}`, time.Now().Add(-3*time.Minute).Format(time.RFC3339)))
	same := write("123456789", `{"version":1}`)

	var all []struct{ Name, State, Detail string }
	if _, body := operate(t, admin, http.MethodGet, "?all=true"); json.Unmarshal([]byte(body), &all) != nil || len(all) != 3 || all[1].Name != "telegram_webhook/123456789" ||
		all[2].Name != "987654321" || !strings.HasPrefix(all[2].Detail, "node web-7 has looked at the webhook 3 minutes ago") {
		t.Errorf("all: %s", body)
	}
	if code, body := operate(t, admin, http.MethodDelete, "987654321"); code != http.StatusConflict || !strings.Contains(body, "node web-7") || !c.Has(other) {
		t.Errorf("another node's: %d %s", code, body)
	}
	if out, errs, status := c.CLI("delete", "--yes", "telegram_webhook/123456789", "--address", fmt.Sprintf("localhost:%d", admin)); status != 0 || c.Has(same) {
		t.Errorf("the same bot elsewhere: %d %s%s", status, out, errs)
	}
	if s := state(t, admin, "123456789").State; s != "registered" {
		t.Errorf("the bot of the configuration is %s", s)
	}
}
