package stats

import (
	"slices"
	"testing"
)

func TestOf(t *testing.T) {
	for _, test := range []struct {
		values []float64
		want   Spread
	}{
		{nil, Spread{}},
		{[]float64{3}, Spread{3, 3, 3}},
		{[]float64{9, 1, 4}, Spread{4, 1, 9}},
		{[]float64{4, 8, 1, 2}, Spread{3, 1, 8}},
	} {
		before := slices.Clone(test.values)
		if got := Of(test.values); got != test.want {
			t.Errorf("%v: got %v", test.values, got)
		}
		if !slices.Equal(before, test.values) {
			t.Errorf("the values have changed: %v", test.values)
		}
	}
}

func TestRatios(t *testing.T) {
	if got := Ratios([]float64{1, 6, 5, 7}, []float64{2, 3, 0}); !slices.Equal(got, []float64{0.5, 2}) {
		t.Errorf("got %v", got)
	}
}
