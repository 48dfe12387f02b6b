package printable

import (
	"fmt"
	"time"
)

// units are the units of a length of time, the largest first.
var units = []struct {
	length time.Duration
	name   string
}{{24 * time.Hour, "days"}, {time.Hour, "hours"}, {time.Minute, "minutes"}}

// Span writes a length of time, rounded, in the largest unit of which it has two.
func Span(d time.Duration) string {
	for _, u := range units {
		if d >= 2*u.length {
			return fmt.Sprintf("%d %s", d.Round(u.length)/u.length, u.name)
		}
	}
	if d = max(d, 0).Round(time.Second) / time.Second; d == 1 {
		return "1 second"
	}
	return fmt.Sprintf("%d seconds", d)
}
