// Package stats sums up the measurements of several rounds.
package stats

import "slices"

// Spread is the median of several rounds, with the lowest and the highest value.
type Spread struct{ Median, Min, Max float64 }

// Of returns the spread of some values; zero if there are none.
func Of(values []float64) Spread {
	if len(values) == 0 {
		return Spread{}
	}
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	median := sorted[middle]
	if len(sorted)%2 == 0 {
		median = (median + sorted[middle-1]) / 2
	}
	return Spread{median, sorted[0], sorted[len(sorted)-1]}
}

// Ratios divides round by round, because a disturbance of the machine meets both
// contenders of a round. A round in which other is 0 is left out.
func Ratios(values, other []float64) []float64 {
	var ratios []float64
	for i := range min(len(values), len(other)) {
		if other[i] != 0 {
			ratios = append(ratios, values[i]/other[i])
		}
	}
	return ratios
}
