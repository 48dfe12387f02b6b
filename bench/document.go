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

// text is all that was measured, with or without the plots.
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
	for _, c := range r.cases {
		section(c.Title, c.plotFile(), r.table(c))
	}
	section("Memory", memoryFile, r.memoryTable())
	section("Reloads while 500 genuine updates come a second", "", r.reloadsTable())
	if r.budgets || plots {
		section("Budgets", "", r.budgetsTable())
	}
	return b.String()
}

const memoryFile = "memory.svg"

// plotFile is where the plot of a case is; empty if it has none, since it is there
// for another one to be compared with.
func (c *benchCase) plotFile() string {
	if c.Plain {
		return ""
	}
	return c.Name + ".svg"
}

// provenance says what was measured, where and how.
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
		{"run", fmt.Sprintf("%s, %d rounds, %v each", time.Now().UTC().Format(time.DateOnly), r.rounds, r.duration)},
	} {
		t.Add(row[0], row[1])
	}
	return t.String()
}

// dependency returns the version of a module in a program, and Go's.
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

// write puts the figures into docs/benchmarks.md, and the plots beside it.
func (r *run) write() error {
	docs := filepath.Join(r.setup.Source, "..", "docs")
	if err := os.MkdirAll(filepath.Join(docs, "benchmarks"), 0o755); err != nil {
		return err
	}
	plots := map[string]*report.Plot{memoryFile: r.memoryPlot()}
	for _, c := range r.cases {
		if name := c.plotFile(); name != "" {
			plots[name] = r.plot(c)
		}
	}
	for name, plot := range plots {
		if err := os.WriteFile(filepath.Join(docs, "benchmarks", name), plot.SVG(), 0o644); err != nil {
			return err
		}
	}
	return report.Rewrite(filepath.Join(docs, "benchmarks.md"), r.provenance()+"\n"+r.text(true))
}
