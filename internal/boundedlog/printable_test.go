package boundedlog

import (
	"testing"
	"time"
)

func TestLine(t *testing.T) {
	text := Without("s3-cret_")
	for in, want := range map[string]string{
		"plain, ключ":                        "plain, ключ",
		"is s3-cret_, S3-CRET_":              "is [secret], [secret]",
		"a\x1b[31mred\nb\tc\r":               `a\x1b[31mred\nb\tc\r`,
		"\xff\u202e\u0085":                   `\xff\u202e\u0085`,
		"0123456789012345678901234567890":    "012345678901234567890123456789…",
		"0123456789012345678901234s3-cret_x": "0123456789012345678901234[secr…",
	} {
		if got := text.Line(in, 30); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func TestBlock(t *testing.T) {
	if got := (Printable{}).Block("a\n\tb\r\x1b", 30); got != "a\n\tb\\r\\x1b" {
		t.Errorf("got %q", got)
	}
}

func TestSpan(t *testing.T) {
	for d, want := range map[time.Duration]string{
		90*24*time.Hour - time.Second: "90 days", 48 * time.Hour: "2 days", 47*time.Hour + time.Minute: "47 hours", 2 * time.Hour: "2 hours",
		time.Hour: "60 minutes", 2 * time.Minute: "2 minutes", 119 * time.Second: "119 seconds", 1499 * time.Millisecond: "1 second",
		0: "0 seconds", -time.Hour: "0 seconds",
	} {
		if got := Span(d); got != want {
			t.Errorf("%v: got %s, want %s", d, got, want)
		}
	}
}
