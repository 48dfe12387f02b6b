package command

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/caddy-telegram/telegramwebhook/internal/secret"
)

func TestSecret(t *testing.T) {
	seen := make(map[string]bool)
	for range 20 {
		got := command(t, "", "secret")
		value, ok := strings.CutSuffix(got.out, "\n")
		if !ok || got.err != "" || got.failure != "" {
			t.Fatalf("got %+v", got)
		}
		if raw, err := base64.RawURLEncoding.DecodeString(value); err != nil || len(raw) != 32 {
			t.Errorf("%q is not 32 bytes of base64url: %v", value, err)
		}
		if err := secret.Check(value); err != nil || seen[value] {
			t.Errorf("%q: %v, seen before: %v", value, err, seen[value])
		}
		seen[value] = true
	}
}

func TestUnknownCommand(t *testing.T) {
	for _, args := range [][]string{{"secrets"}, {"secret", "more"}, {"--what"}} {
		if got := command(t, "", args...); got.failure == "" || got.out != "" {
			t.Errorf("%q: got %+v", args, got)
		}
	}
	if got := command(t, ""); got.failure != "" || !strings.Contains(got.out, "Available Commands:") {
		t.Errorf("without a command: got %+v", got)
	}
}
