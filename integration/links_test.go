package integration

import (
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/caddy-telegram/telegramwebhook/integration/caddytest"
)

var (
	fenced  = regexp.MustCompile("(?ms)^[ \t]*```.*?^[ \t]*```$")
	code    = regexp.MustCompile("`+[^`]*`+")
	link    = regexp.MustCompile(`\]\(([^()\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^(#+) +(.+)$`)
	mention = regexp.MustCompile(`\b(?:docs|examples)/[\w./-]*\w`)
)

// TestLinks follows the relative links of the documentation, to headings too, and looks
// for the files that the examples name.
func TestLinks(t *testing.T) {
	links := 0
	for _, page := range files(t, ".md") {
		text := fenced.ReplaceAllString(caddytest.ReadFile(t, page), "")
		if titles := regexp.MustCompile(`(?m)^# `).FindAllString(text, -1); len(titles) != 1 {
			t.Errorf("%s has %d headings of the first level, want 1", page, len(titles))
		}
		for _, found := range link.FindAllStringSubmatch(code.ReplaceAllString(text, ""), -1) {
			target, err := url.Parse(found[1])
			if err != nil {
				t.Errorf("%s: %s: %v", page, found[1], err)
			} else if !target.IsAbs() {
				links++
				follow(t, page, target)
			}
		}
	}
	if links < 100 {
		t.Errorf("only %d links were found", links)
	}
	for _, example := range files(t, "") {
		if !strings.HasPrefix(example, "../examples/") || strings.HasSuffix(example, "package-lock.json") {
			continue
		}
		for _, name := range mention.FindAllString(caddytest.ReadFile(t, example), -1) {
			if _, err := os.Stat(filepath.Join("..", name)); err != nil {
				t.Errorf("%s names %s: %v", example, name, err)
			}
		}
	}
}

// follow follows a link of a page.
func follow(t *testing.T, page string, target *url.URL) {
	t.Helper()
	path := page
	if target.Path != "" {
		path = filepath.Join(filepath.Dir(page), filepath.FromSlash(target.Path))
	}
	if _, err := os.Stat(path); err != nil {
		t.Errorf("%s links to %s: %v", page, target, err)
		return
	}
	if target.Fragment != "" && !anchors(caddytest.ReadFile(t, path))[target.Fragment] {
		t.Errorf("%s links to %s: there is no such heading", page, target)
	}
}

// anchors returns the anchors that GitHub gives the headings of a page.
func anchors(text string) map[string]bool {
	all := make(map[string]bool)
	for _, h := range heading.FindAllStringSubmatch(fenced.ReplaceAllString(text, ""), -1) {
		name := regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`).ReplaceAllString(h[2], "$1")
		name = regexp.MustCompile(`[^\p{L}\p{N}\p{M} _-]`).ReplaceAllString(strings.ToLower(name), "")
		all[strings.ReplaceAll(name, " ", "-")] = true
	}
	return all
}

// files returns the documentation and the examples, as paths with slashes, whose names end so.
func files(t *testing.T, suffix string) (found []string) {
	t.Helper()
	for _, pattern := range []string{"../*", "../docs/*", "../docs/*/*", "../examples/*", "../examples/*/*", "../examples/*/*/*", "../examples/*/*/*/*"} {
		matches, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range matches {
			path = filepath.ToSlash(path)
			info, err := os.Stat(path)
			if err == nil && info.Mode().IsRegular() && strings.HasSuffix(path, suffix) && !strings.Contains(path, "/node_modules/") && !strings.Contains(path, "/target/") {
				found = append(found, path)
			}
		}
	}
	return found
}
