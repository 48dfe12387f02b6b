package deliver

import (
	"strings"
	"testing"
)

// TestRemedy knows by its status a bot that refuses genuine updates, and no other.
func TestRemedy(t *testing.T) {
	for status, want := range map[int]string{
		200: "", 204: "", 400: "", 429: "", 500: "", 503: "",
		301: "redirect", 307: "redirect", 308: "redirect",
		401: "forward_secret", 403: "forward_secret",
		404: "trailing slash", 405: "trailing slash",
	} {
		got := Outcome{Status: status}.Remedy()
		if (got == "") != (want == "") || !strings.Contains(got, want) {
			t.Errorf("%d: got %q, want %q", status, got, want)
		}
		if got := (Outcome{Kind: Failed, Status: status}).Remedy(); got != "" {
			t.Errorf("%d of another handler: got %q", status, got)
		}
	}
}
