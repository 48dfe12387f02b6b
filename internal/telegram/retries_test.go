package telegram

import (
	"errors"
	"testing"
	"time"
)

// TestRetries has pauses that grow, and a Retry-After that replaces some.
func TestRetries(t *testing.T) {
	var r Retries
	random := func(n int) int { return n - 1 } // the longest
	for i, step := range []struct{ retryAfter, want int }{
		{0, 0}, {0, 2}, {9, 9}, {0, 4}, {0, 8}, {3600, 3600}, {0, 16}, {0, 32}, {0, 64}, {0, 120}, {0, 120},
	} {
		if got := r.Failed(time.Duration(step.retryAfter)*time.Second, random); got != time.Duration(step.want)*time.Second {
			t.Errorf("pause %d: got %v, want %d s", i, got, step.want)
		}
	}
	if !r.Any() || (&Retries{}).Any() {
		t.Error("whether a try has failed is wrong")
	}
}

// TestLastError has the words of getWebhookInfo.
func TestLastError(t *testing.T) {
	for want, a := range map[string]Answer{
		"Wrong response from the webhook: 503 Service Unavailable": {Status: 503, Reason: "Service Unavailable"},
		"Read timeout expired": {Err: ErrReadTimeout},
		"":                     {Err: ErrClosed},
		"planted":              {Status: 200, Err: errors.New("planted")},
	} {
		if got := a.LastError(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
