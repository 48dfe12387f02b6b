package report

import (
	"fmt"
	"math"
	"strconv"

	"github.com/caddy-telegram/telegramwebhook/bench/internal/stats"
)

// Show formats a spread: the median and, if there are several values, the lowest
// and the highest.
func Show(s stats.Spread) string {
	if s.Min == s.Max {
		return Number(s.Median)
	}
	return fmt.Sprintf("%s (%s–%s)", Number(s.Median), Number(s.Min), Number(s.Max))
}

// Number formats a number with three significant digits. More would be noise.
func Number(v float64) string {
	if v == 0 {
		return "0"
	}
	digits := 2 - int(math.Floor(math.Log10(math.Abs(v))))
	return strconv.FormatFloat(v, 'f', max(0, min(digits, 3)), 64)
}
