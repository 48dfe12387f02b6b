package integration

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/caddy-telegram/telegramwebhook/integration/caddytest"
)

// TestFrameworks holds each framework's page to the example that it shows: the bot that
// e2e runs is the bot that people read.
func TestFrameworks(t *testing.T) {
	folder := regexp.MustCompile(`\]\(../../(examples/bots/[\w.-]+)\)`)
	pages, _ := filepath.Glob("../docs/frameworks/*.md")
	if len(pages) < 12 {
		t.Fatalf("there are only %d pages", len(pages))
	}
	for _, page := range pages {
		if filepath.Base(page) == "README.md" {
			continue
		}
		text := caddytest.ReadFile(t, page)
		found := folder.FindStringSubmatch(text)
		if found == nil {
			t.Errorf("%s names no example", page)
			continue
		}
		shown := 0
		for _, name := range []string{"main.go", "bot.ts", "bot.js", "bot.py", "index.php", "src/main.rs"} {
			if code, err := os.ReadFile(filepath.Join("..", found[1], name)); err == nil {
				shown++
				if !strings.Contains(text, "\n"+strings.TrimSpace(string(code))+"\n```") {
					t.Errorf("%s does not show %s of %s as it is", page, name, found[1])
				}
			}
		}
		if shown != 1 {
			t.Errorf("%s has %d bots, want one", found[1], shown)
		}
	}
}
