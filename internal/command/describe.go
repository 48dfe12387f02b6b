package command

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/caddy-telegram/telegramwebhook/internal/boundedlog"
	"github.com/caddy-telegram/telegramwebhook/internal/status"
)

func age(at time.Time) string { return boundedlog.Span(time.Since(at)) }

func describeTelegram(w status.Webhook) string {
	t := w.Telegram
	has, _ := w.AtTelegram()
	text := "has " + line(has)
	if t.IPAddress != "" {
		text += ", sends to " + line(t.IPAddress)
	}
	if t.MaxConnections > 0 {
		text += fmt.Sprintf(", %d connections", t.MaxConnections)
	}
	if t.Certificate {
		text += ", an uploaded certificate"
	}
	return text + ", asked " + age(t.At) + " ago"
}

func describeLastError(t status.Telegram) string {
	if t.LastError == "" {
		return "none"
	}
	return line(t.LastError) + ", " + age(t.LastErrorAt) + " ago"
}

// describeSecret returns the secret's source, age and next rotation.
func describeSecret(s status.Secret) string {
	if s.Source == "" {
		return "-"
	}
	text := s.Source
	if s.Weak {
		text += ", weak"
	}
	if !s.Made.IsZero() {
		text += ", " + age(s.Made) + " old"
	}
	switch now := time.Now(); {
	case s.Source == "configured":
	case s.Made.IsZero() && s.Source == "kept":
		text += ", none yet"
	case s.Due.IsZero():
		text += ", not rotated automatically"
	case s.Overdue(now):
		text += ", overdue by " + age(s.Due)
	default:
		text += ", next in " + boundedlog.Span(s.Due.Sub(now))
	}
	return text
}

func describeStorage(s *status.Storage) string {
	if s == nil {
		return ""
	}
	text := line(s.Module)
	switch {
	case s.Away():
		text += ", away for " + age(s.AwaySince)
	case !s.ReadAt.IsZero():
		text += ", read " + age(s.ReadAt) + " ago"
	}
	if !s.WrittenAt.IsZero() {
		text += ", written " + age(s.WrittenAt) + " ago"
	}
	if s.Leader != "" {
		text += ", led by " + line(s.Leader)
	}
	return text
}

// describeCounts returns the sum and the reasons: "12 (10 no_secret, 2 wrong_secret)". The
// trials of an audit are no refusals.
func describeCounts(counts map[string]uint64) string {
	var listed []string
	total := uint64(0)
	for _, reason := range slices.Sorted(maps.Keys(counts)) {
		if n := counts[reason]; n > 0 && reason != "passed" && reason != "audit" {
			listed = append(listed, fmt.Sprintf("%d %s", n, reason))
			total += n
		}
	}
	if total == 0 {
		return "none"
	}
	return fmt.Sprintf("%d (%s)", total, strings.Join(listed, ", "))
}
