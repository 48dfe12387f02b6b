package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
)

// prometheus is a Prometheus as examples/monitoring configures it.
type prometheus struct {
	t       *testing.T
	address string
	awaited []string // alerts
}

// startPrometheus scrapes Caddy's admin endpoint once a second, so that a test
// need not wait for long. All else is as the example has it.
func startPrometheus(t *testing.T, admin string) *prometheus {
	t.Helper()
	p, dir := &prometheus{t: t, address: loopback(freePort(t))}, t.TempDir()
	config := readExample(t, "monitoring/prometheus.yml")
	config = replaceOnce(t, config, "localhost:2019", admin)
	config = replaceOnce(t, config, "scrape_interval: 15s", "scrape_interval: 1s")
	config = replaceOnce(t, config, "evaluation_interval: 15s", "evaluation_interval: 1s")
	for name, text := range map[string]string{"prometheus.yml": config, "alerts.yml": readExample(t, "monitoring/alerts.yml")} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("prometheus", "--config.file="+filepath.Join(dir, "prometheus.yml"),
		"--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+p.address)
	cmd.Dir = dir
	startProcess(t, cmd, func([]byte) {})
	eventually(t, "Prometheus is ready", p.ready)
	eventually(t, "Prometheus scrapes Caddy", func() bool { return len(p.query(`up{job="caddy"} == 1`)) == 1 })
	return p
}

func (p *prometheus) ready() bool {
	resp, err := http.Get("http://" + p.address + "/-/ready")
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

// get asks the HTTP API. Prometheus says itself what is wrong with a question.
func (p *prometheus) get(path string, parameters url.Values, data any) {
	p.t.Helper()
	resp, err := http.Get("http://" + p.address + "/api/v1/" + path + "?" + parameters.Encode())
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	answer := struct {
		Status, Error string
		Warnings      []string
		Data          any
	}{Data: data}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || answer.Status != "success" || len(answer.Warnings) > 0 {
		p.t.Fatalf("%s %v: %s %v %v", path, parameters, answer.Error, answer.Warnings, err)
	}
}

// series is one of those that a query comes to.
type series struct {
	Metric map[string]string
	Value  [2]any // when, and what as a string
}

func (s series) String() string { return fmt.Sprintf("%v %v", s.Metric, s.Value[1]) }

// query returns what an expression comes to now.
func (p *prometheus) query(expression string) []series {
	p.t.Helper()
	var data struct{ Result []series }
	p.get("query", url.Values{"query": {expression}}, &data)
	return data.Result
}

// values returns the values that a label of a metric has.
func (p *prometheus) values(label, metric string) (values []string) {
	p.t.Helper()
	p.get("label/"+label+"/values", url.Values{"match[]": {metric}}, &values)
	return values
}

// rule is an alert.
type rule struct{ Name, Query, Health, LastError string }

// rules returns every alert, once Prometheus has evaluated it.
func (p *prometheus) rules() (rules []rule) {
	p.t.Helper()
	eventually(p.t, "Prometheus has evaluated the rules", func() bool {
		var data struct{ Groups []struct{ Rules []rule } }
		p.get("rules", nil, &data)
		rules = nil
		for _, group := range data.Groups {
			rules = append(rules, group.Rules...)
		}
		return len(rules) > 0 && !slices.ContainsFunc(rules, func(r rule) bool { return r.Health == "unknown" })
	})
	return rules
}

// await returns once there is what an alert is about. When it has lasted for as
// long as the alert asks, Prometheus fires.
func (p *prometheus) await(alert string) {
	p.t.Helper()
	rules := p.rules()
	n := slices.IndexFunc(rules, func(r rule) bool { return r.Name == alert })
	if n < 0 {
		p.t.Fatalf("there is no alert %s", alert)
	}
	eventually(p.t, alert, func() bool { return len(p.query(rules[n].Query)) > 0 })
	p.awaited = append(p.awaited, alert)
}
