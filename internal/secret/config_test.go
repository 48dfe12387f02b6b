package secret

import (
	"testing"
	"time"
)

func TestRotationConfig(t *testing.T) {
	const day = 24 * time.Hour
	for name, tc := range map[string]struct {
		rotate, grace time.Duration
		every, after  time.Duration
		err           string
	}{
		"default":        {0, 0, 30 * day, 10 * time.Minute, ""},
		"off":            {-1, 0, 0, 10 * time.Minute, ""},
		"no grace":       {day, -1, day, 0, ""},
		"short":          {5 * time.Second, 0, 5 * time.Second, 5 * time.Second, ""},
		"too short":      {4 * time.Second, 0, 0, 0, "4s is less than 5s"},
		"grace too long": {day, 25 * time.Hour, 0, 0, "the grace period of 25h0m0s is longer than the 24h0m0s after which the secret changes"},
	} {
		t.Run(name, func(t *testing.T) {
			every, after, err := Rotation(tc.rotate, tc.grace)
			got := ""
			if err != nil {
				got = err.Error()
			}
			if every != tc.every || after != tc.after || got != tc.err {
				t.Errorf("got %s, %s, %q, want %s, %s, %q", every, after, got, tc.every, tc.after, tc.err)
			}
		})
	}
}
