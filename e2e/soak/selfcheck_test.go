package soak

import (
	"maps"
	"strings"
	"testing"

	"github.com/caddy-telegram/telegramwebhook/integration/caddytest"
)

// These tests see that the judge finds what the soak is for, without a soak.

// TestJudge gives the judge an outcome as it should be, and each that should not be.
func TestJudge(t *testing.T) {
	good := func() outcome {
		answered := make(map[string]int64)
		for _, kind := range kindsOfForgery {
			answered[kind] = 1
		}
		return outcome{sent: 10, delivered: 10, answered: answered, rotations: 1, dropped: "3", repeated: 2, unanswered: 1}
	}
	for name, tc := range map[string]struct {
		change func(*outcome)
		want   string // a part of the only fault; empty for none
	}{
		"as it should be":         {func(*outcome) {}, ""},
		"lost":                    {func(o *outcome) { o.lost = 1 }, "1 were lost"},
		"given up":                {func(o *outcome) { o.expired = 1 }, "1 given up"},
		"not delivered":           {func(o *outcome) { o.delivered = 9 }, "9 delivered"},
		"a forgery":               {func(o *outcome) { o.through = 1 }, "1 forgeries have reached the bot"},
		"a kind was not tried":    {func(o *outcome) { o.answered["stale"] = 0 }, "stale"},
		"no rotation":             {func(o *outcome) { o.rotations = 0 }, "not rotated"},
		"nobody was dropped":      {func(o *outcome) { o.dropped = "0" }, "dropped"},
		"the metric is not there": {func(o *outcome) { o.dropped = "" }, "dropped"},
	} {
		t.Run(name, func(t *testing.T) {
			o := good()
			tc.change(&o)
			faults := o.faults()
			if (len(faults) > 0) != (tc.want != "") || len(faults) > 1 || !strings.Contains(strings.Join(faults, ""), tc.want) {
				t.Errorf("got %q, want %q", faults, tc.want)
			}
		})
	}
}

// TestJudgeReads has the judge read what processes may write.
func TestJudgeReads(t *testing.T) {
	for output, want := range map[string]int{
		"{\"level\":\"info\"}\n":                                                                                                        0,
		"fatal error: all goroutines are asleep - deadlock!\n":                                                                          1,
		"{\"msg\":\"panic in the registrar\"}\n":                                                                                        1,
		"==================\nWARNING: DATA RACE\nregistrar.(*Registrar).run()\n==================\n":                                    1,
		"==================\nWARNING: DATA RACE\ncaddytls.(*TLS).CaddyModule()\n==================\n":                                   0,
		"==================\nWARNING: DATA RACE\ncaddytls.(*TLS).CaddyModule()\n==================\nWARNING: DATA RACE\nsecret.Match\n": 1,
	} {
		if got := complaints(output); len(got) != want {
			t.Errorf("%q: got %q, want %d", output, got, want)
		}
	}
	secrets := []string{middle(caddytest.RightSecret), middle(caddytest.StaleSecret)}
	if excerpt := findSecret([]byte("another_one_9876543210-zyxwvutsrqponm"), secrets); excerpt != "" {
		t.Errorf("found what is none: %s", excerpt)
	}
	if excerpt := findSecret([]byte("a part: "+caddytest.StaleSecret[5:32]), secrets); excerpt == "" {
		t.Error("a part of a secret is not found")
	}
}

// TestVitals compares what a process holds.
func TestVitals(t *testing.T) {
	const profile = "goroutine profile: total 3\n2 @ 0x1 0x2\n#\t0x1\tmain.a+0x1\tmain.go:1\n#\t0x2\tmain.b+0x1\tmain.go:2\n\n1 @ 0x3\n#\t0x3\tmain.c+0x1\tmain.go:3\n"
	if got, want := parseProfile(profile, countedGoroutines), map[string]int64{"main.a\n\tmain.b": 2, "main.c": 1}; !maps.Equal(got, want) {
		t.Errorf("a profile: got %v, want %v", got, want)
	}
	before := vitals{goroutines: 15, files: 13, heap: 4 << 20}
	for name, tc := range map[string]struct {
		after vitals
		want  bool
	}{
		"the same":        {before, true},
		"less":            {vitals{}, true},
		"more goroutines": {vitals{goroutines: 15 + moreGoroutines + 1, files: 13, heap: 4 << 20}, false},
		"more files":      {vitals{goroutines: 15, files: 13 + moreFiles + 1, heap: 4 << 20}, false},
		"more memory":     {vitals{goroutines: 15, files: 13, heap: 4<<20 + moreHeap + 1}, false},
	} {
		if got := tc.after.isLike(before); got != tc.want {
			t.Errorf("%s: got %v, want %v", name, got, tc.want)
		}
	}
}
