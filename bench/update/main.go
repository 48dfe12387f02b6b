// Command update compares ways to read an update: internal/update with
// encoding/json and with two libraries. It takes them in turn, in many rounds, so
// that what else the machine does meets all of them alike, and prints the median
// of the processor time (garbage collection included) and of the ratio to
// internal/update.
//
//	go run .
package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/caddy-telegram/telegramwebhook/internal/telegramtest"
	"github.com/caddy-telegram/telegramwebhook/internal/update"
)

const (
	rounds = 201
	// proxied is the least of what a request with a short body costs in Caddy, 60
	// to 100 µs of processor time.
	proxied = 60.0
)

func main() {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, body := range [][]byte{
		telegramtest.Updates()["message"],
		telegramtest.Message(471961809, -1002147483648, "I can. Do the tomatoes need water too?"),
		telegramtest.Message(471961810, -1002147483648, strings.Repeat("A long page of text, with \"quotes\"\n", 13_000)),
	} {
		fmt.Fprintf(w, "\n%d bytes\tµs\tratio\tof a request\t\n", len(body))
		for i, t := range compare(body) {
			share := "-" // a long body costs the proxy more, too
			if len(body) < 10_000 {
				share = fmt.Sprintf("%.1f %%", 100*t.median/proxied)
			}
			fmt.Fprintf(w, "%s\t%.2f\t%.2f\t%s\t\n", candidates[i].name, t.median, t.ratio, share)
		}
	}
	w.Flush()
}

// timing is in microseconds.
type timing struct{ median, ratio float64 }

func compare(body []byte) []timing {
	times := make([][]float64, len(candidates))
	ratios := make([][]float64, len(candidates))
	for range rounds {
		var own float64
		for i, c := range candidates {
			t := measure(c.parse, body)
			if i == 0 {
				own = t
			}
			times[i] = append(times[i], t)
			ratios[i] = append(ratios[i], t/own)
		}
	}
	timings := make([]timing, len(candidates))
	for i := range timings {
		timings[i] = timing{median(times[i]), median(ratios[i])}
	}
	return timings
}

func measure(parse func([]byte) (update.Update, error), body []byte) float64 {
	n := 2_000_000/len(body) + 1
	start := cpu()
	for range n {
		parse(body)
	}
	return float64(cpu()-start) / float64(time.Microsecond) / float64(n)
}

// cpu is the processor time that the process has had.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func median(v []float64) float64 {
	slices.Sort(v)
	return v[len(v)/2]
}
