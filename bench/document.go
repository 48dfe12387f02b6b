package main

import (
	"debug/buildinfo"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/caddy-telegram/telegramwebhook/bench/internal/report"
)

// text returns everything that was measured, with or without the plots.
func (r *run) text(plots bool) string {
	var b strings.Builder
	section := func(title, plot string, t *report.Table) {
		if len(t.Rows) == 0 {
			return
		}
		fmt.Fprintf(&b, "### %s\n\n", title)
		if plots && plot != "" {
			fmt.Fprintf(&b, "![%s](benchmarks/%s)\n\n", title, plot)
		}
		fmt.Fprintf(&b, "%s\n", t)
	}
	if !r.quick {
		section("Budgets", "", r.budgetTable())
	}
	for _, c := range r.cases {
		section(c.Title, c.plotFile(), r.table(c))
	}
	section("Reloads, with 500 genuine updates a second", "", r.reloadTable())
	section("A bot on grammY, by the way in which it gets its updates", "", r.pollTable())
	section("Memory", "", r.memoryTable())
	return strings.TrimSpace(b.String())
}

func (c *benchCase) plotFile() string { return c.Name + ".svg" }

// provenance returns a table of the versions and the machine.
func (r *run) provenance() string {
	t := &report.Table{Header: []string{"machine", report.Machine()}}
	caddy, goVersion := dependency(r.setup.Caddy(), "github.com/caddyserver/caddy/v2")
	goBot, _ := dependency(r.setup.GoBot(), "github.com/go-telegram/bot")
	for _, row := range [][2]string{
		{"Go", goVersion},
		{"Caddy", caddy},
		{"nginx", report.Version("nginx", "-v")},
		{"HAProxy", report.Version("haproxy", "-v")},
		{"Node", report.Version("node", "--version")},
		{"go-telegram/bot", goBot},
		{"grammY", r.setup.NodePackage("grammy")},
		{"Telegraf", r.setup.NodePackage("telegraf")},
		{"run", fmt.Sprintf("%s, %d rounds, %v per measurement", time.Now().UTC().Format(time.DateOnly), r.rounds, r.duration)},
	} {
		t.Add(row[0], row[1])
	}
	return t.String()
}

// dependency returns the versions of a module and of Go in a program.
func dependency(program, module string) (version, goVersion string) {
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		return "not built", ""
	}
	for _, dep := range info.Deps {
		if dep.Path == module {
			version = strings.TrimPrefix(dep.Version, "v")
		}
	}
	return version, strings.TrimPrefix(info.GoVersion, "go")
}

// write writes the figures into docs/benchmarks.md, and the plots into
// docs/benchmarks.
func (r *run) write() error {
	docs := filepath.Join(r.setup.Source, "..", "docs")
	if err := os.MkdirAll(filepath.Join(docs, "benchmarks"), 0o755); err != nil {
		return err
	}
	for _, c := range r.cases {
		if err := os.WriteFile(filepath.Join(docs, "benchmarks", c.plotFile()), r.plot(c).SVG(), 0o644); err != nil {
			return err
		}
	}
	return report.Rewrite(filepath.Join(docs, "benchmarks.md"), r.provenance()+"\n"+r.text(true)+"\n")
}
