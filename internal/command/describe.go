package command

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/caddy-telegram/telegramwebhook/internal/app"
	"github.com/caddy-telegram/telegramwebhook/internal/printable"
)

// age returns how long ago something was.
func age(at time.Time) string { return printable.Span(time.Since(at)) }

func describeState(w app.Status) string {
	if w.Detail == "" {
		return w.State
	}
	return w.State + ": " + line(strings.TrimSuffix(w.Detail, "."))
}

// describeTelegram compares what Telegram has with the url that is registered.
func describeTelegram(t app.TelegramStatus, url string) string {
	text := "has this url"
	if t.URL == "" {
		text = "has no webhook"
	} else if t.URL != url {
		text = "has " + line(t.URL)
	}
	if t.MaxConnections > 0 {
		text += fmt.Sprintf(", %d connections", t.MaxConnections)
	}
	if t.Certificate {
		text += ", an uploaded certificate"
	}
	return text + ", asked " + age(t.At) + " ago"
}

func describeLastError(t app.TelegramStatus) string {
	if t.LastError == "" {
		return "none"
	}
	return line(t.LastError) + ", " + age(t.LastErrorAt) + " ago"
}

// describeSecret says where the secret comes from, how old it is, and when it is
// renewed.
func describeSecret(s app.SecretStatus) string {
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
		text += ", not renewed automatically"
	case s.Overdue(now):
		text += ", overdue by " + age(s.Due)
	default:
		text += ", next in " + printable.Span(s.Due.Sub(now))
	}
	return text
}

// describeCounts adds up what was refused or dropped, and lists the reasons, the
// most frequent first: "12 (10 no_secret, 2 wrong_secret)".
func describeCounts(counts map[string]uint64) string {
	var reasons []string
	total := uint64(0)
	for reason, n := range counts {
		if n > 0 && reason != "passed" {
			reasons = append(reasons, reason)
			total += n
		}
	}
	if total == 0 {
		return "none"
	}
	slices.SortFunc(reasons, func(a, b string) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b))
	})
	for i, reason := range reasons {
		reasons[i] = fmt.Sprintf("%d %s", counts[reason], reason)
	}
	return fmt.Sprintf("%d (%s)", total, strings.Join(reasons, ", "))
}
