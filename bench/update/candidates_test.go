package main

import (
	"testing"

	"github.com/caddy-telegram/telegramwebhook/internal/telegramtest"
)

// TestCandidates sees that what is compared does the same.
func TestCandidates(t *testing.T) {
	for name, body := range telegramtest.Updates() {
		want, err := candidates[0].parse(body)
		if err != nil || want.Type != name {
			t.Errorf("%s: got %+v, %v", name, want, err)
		}
		for _, c := range candidates[1:] {
			if c.name == messagesOnly && name != "message" {
				continue
			}
			if got, err := c.parse(body); err != nil || got != want {
				t.Errorf("%s by %s: got %+v, %v, want %+v", name, c.name, got, err, want)
			}
		}
	}
}
