package metrics

import "testing"

func TestCode(t *testing.T) {
	for status, want := range map[int]string{0: "none", 99: "other", 100: "100", 200: "200", 499: "499", 599: "599", 600: "other", 999: "other", -1: "other"} {
		if got := code(status); got != want {
			t.Errorf("%d: got %q, want %q", status, got, want)
		}
	}
}
