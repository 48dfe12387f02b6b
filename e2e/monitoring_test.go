package e2e

import (
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	queries "github.com/grafana/grafana-foundation-sdk/go/prometheus"
)

// A day in the life of a webhook, in a few seconds: genuine updates, another
// secret, a flood of forged updates, a bot that is away. Prometheus watches it
// with the example's configuration. The alerts that are about what happens see it,
// no other does, and every query of the dashboard has something to show.
func TestMonitoring(t *testing.T) {
	i := newInstallation(t)
	bot := startBot(t, goTelegram, "")
	i.serve("bot.Caddyfile", "127.0.0.1:8080", bot.address)
	p := startPrometheus(t, i.admin)

	i.text(1, "hello")
	i.awaitDelivered()
	i.rotate()
	i.text(2, "hello again")
	i.awaitDelivered()

	stop := forgeWithoutEnd(i.caddy, 2)
	p.await("TelegramWebhookForgeryFlood")
	stop()

	bot.kill()
	i.text(3, "are you there?")
	p.await("TelegramWebhookBotFailing")
	p.await("TelegramWebhookLastErrorFresh")
	bot.start()
	i.awaitDelivered()

	manual := readExample(t, "../docs/monitoring.md")
	for _, r := range p.rules() {
		if !strings.Contains(manual, "| `"+r.Name+"` |") {
			t.Errorf("docs/monitoring.md does not explain %s", r.Name)
		}
		for _, selector := range selectors.FindAllString(r.Query, -1) {
			if len(p.query(selector)) == 0 {
				t.Errorf("%s looks at %s, and there is none", r.Name, selector)
			}
		}
		if r.Health != "ok" {
			t.Errorf("%s is %s: %s", r.Name, r.Health, r.LastError)
		}
		if seen := p.query(r.Query); len(seen) > 0 && !slices.Contains(p.awaited, r.Name) {
			t.Errorf("%s sees %v", r.Name, seen)
		}
	}
	for _, expression := range dashboardQueries(t) {
		eventually(t, "there is data for "+expression, func() bool { return len(p.query(expression)) > 0 })
	}
	if names := p.values("name", "caddy_telegram_webhook_requests_total"); !slices.Equal(names, []string{"4839574812"}) {
		t.Errorf("the dashboard offers the webhooks %q", names)
	}
}

// selectors are the metrics that an expression looks at.
var selectors = regexp.MustCompile(`(caddy_telegram_webhook_\w+|up)(\{[^}]*\})?`)

// rotate has another secret take the place of the current one.
func (i *installation) rotate() {
	i.t.Helper()
	resp, err := http.Post("http://"+i.admin+"/telegram_webhook/4839574812/rotate", "", nil)
	if err != nil {
		i.t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		i.t.Fatalf("rotate: %s", resp.Status)
	}
}

// dashboardQueries returns the expressions of the example's dashboard as Grafana
// sends them, after a look at the dashboard by Grafana's own schema: no field that
// it does not know, and none missing.
func dashboardQueries(t *testing.T) (expressions []string) {
	t.Helper()
	plugins.RegisterDefaultPlugins()
	text := []byte(readExample(t, "monitoring/dashboard.json"))
	//lint:ignore SA1019 the dashboard is of the form that every Grafana imports, and not of the second one
	var d dashboard.Dashboard
	// Without anything to complain of, it returns an error that says nothing.
	if err := d.UnmarshalJSONStrict(text); err != nil && err.Error() != "" {
		t.Fatalf("the dashboard: %v", err)
	}
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	variables := strings.NewReplacer("$name", ".*", "$__rate_interval", "1m")
	for _, panel := range d.Panels {
		for _, target := range panel.Panel.Targets {
			query, ok := target.(*queries.Dataquery)
			if !ok {
				t.Fatalf("%q asks something else than Prometheus", *panel.Panel.Title)
			}
			expressions = append(expressions, variables.Replace(query.Expr))
		}
	}
	if len(expressions) < len(d.Panels) {
		t.Fatalf("%d panels have %d queries", len(d.Panels), len(expressions))
	}
	return expressions
}
