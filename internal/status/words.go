package status

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/caddy-telegram/telegramwebhook/internal/printable"
)

// The states that are as they should be.
const (
	Registered = "registered"
	Unmanaged  = "unmanaged"
)

// Well reports whether the registration is as it should be.
func (w Webhook) Well() bool { return w.State == Registered || w.State == Unmanaged }

// Trouble is what is wrong with one that is not well.
func (w Webhook) Trouble() string {
	if w.Detail == "" {
		return w.State
	}
	return w.State + ": " + printable.Text{}.Line(strings.TrimSuffix(w.Detail, "."), 2*shown)
}

// Fresh is how long an error that Telegram has met tells how things are.
const Fresh = time.Hour

// Recently reports whether Telegram could not deliver a short time ago.
func (t Telegram) Recently(now time.Time) bool {
	return t.LastError != "" && now.Sub(t.LastErrorAt) < Fresh
}

// shown is how many characters are shown of what Telegram says.
const shown = 200

// Trouble is the last error that Telegram has met, with its age.
func (t Telegram) Trouble(now time.Time) string {
	if t.LastError == "" {
		return "none"
	}
	return printable.Text{}.Line(t.LastError, shown) + ", " + printable.Span(now.Sub(t.LastErrorAt)) + " ago"
}

// Overdue reports whether another secret should have taken its place. A rotation
// takes a while when Telegram or storage is away.
func (s Secret) Overdue(now time.Time) bool { return !s.Due.IsZero() && now.Sub(s.Due) > time.Hour }

// Words says where the secret comes from, and how it stands with its renewal.
func (s Secret) Words(now time.Time) string {
	words := []string{s.Source}
	switch {
	case s.Source == "configured" && s.Weak:
		words = append(words, "weak")
	case s.Source == "configured":
	case s.Made.IsZero() && s.Source == "kept":
		words = append(words, "none yet")
	case s.Due.IsZero() && s.Made.IsZero():
		words = append(words, "not renewed by itself")
	case s.Due.IsZero():
		words = append(words, printable.Span(now.Sub(s.Made))+" old", "not renewed by itself")
	case s.Overdue(now):
		words = append(words, printable.Span(now.Sub(s.Made))+" old", "overdue by "+printable.Span(now.Sub(s.Due)))
	default:
		words = append(words, printable.Span(now.Sub(s.Made))+" old", "next in "+printable.Span(s.Due.Sub(now)))
	}
	return strings.Join(words, ", ")
}

// passed is the result of a request that was let through.
const passed = "passed"

// Passed is how many requests were let through.
func (w Webhook) Passed() uint64 { return w.Requests[passed] }

// Refused is how many requests were refused, and why, the most frequent reason
// first: "12 (10 no_secret, 2 wrong_secret)".
func (w Webhook) Refused() string {
	refused := maps.Clone(w.Requests)
	delete(refused, passed)
	return byReason(refused)
}

// Words says how many connections were dropped, and why, and how many addresses
// are barred now.
func (l Listener) Words() string {
	return fmt.Sprintf("%s; barred now: %d", byReason(l.Dropped), l.Penalized)
}

// byReason adds counts up and lists them, the highest first.
func byReason(counts map[string]uint64) string {
	var reasons []string
	total := uint64(0)
	for reason, n := range counts {
		if n > 0 {
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
