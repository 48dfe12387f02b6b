package boundedlog

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestRepeated logs an error once, unless it changes.
func TestRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r Repeated
		for i, step := range []struct {
			after          time.Duration
			detail, remedy string
			want           bool
		}{
			{0, "a", "x", true},
			{time.Hour, "a", "x", false},
			{0, "b", "x", true}, // an hour later
			{9 * time.Minute, "c", "x", false},
			{2 * time.Minute, "c", "x", true},
			{0, "c", "y", true},
		} {
			time.Sleep(step.after)
			if got := r.IsNew(step.detail, step.remedy); got != step.want {
				t.Errorf("step %d: got %v", i, got)
			}
		}
	})
}
