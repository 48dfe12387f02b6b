// Command update compares ways to read an update, in turn and in many short
// rounds, so that what else the machine does meets all of them alike.
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
	rounds  = 201
	proxied = 60 * time.Microsecond // what a request through Caddy costs, at the least
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
			fmt.Fprintf(w, "%s\t%.2f\t%.2f\t%.1f %%\t\n", candidates[i].name, t.median, t.ratio, 100*t.median/(float64(proxied)/1e3))
		}
	}
	w.Flush()
}

type timing struct{ median, ratio float64 }

func compare(body []byte) []timing {
	want, err := candidates[0].parse(body)
	times := make([][]float64, len(candidates))
	ratios := make([][]float64, len(candidates))
	for _, c := range candidates {
		if got, gotErr := c.parse(body); got != want || err != nil || gotErr != nil {
			panic(fmt.Sprintf("%s: got %+v, %v, want %+v, %v", c.name, got, gotErr, want, err))
		}
	}
	for range rounds {
		for i, c := range candidates {
			times[i] = append(times[i], timeOf(c.parse, body))
			ratios[i] = append(ratios[i], times[i][len(times[i])-1]/times[0][len(times[i])-1])
		}
	}
	out := make([]timing, len(candidates))
	for i := range out {
		out[i] = timing{median(times[i]), median(ratios[i])}
	}
	return out
}

func median(v []float64) float64 {
	slices.Sort(v)
	return v[len(v)/2]
}

func timeOf(parse func([]byte) (update.Update, error), body []byte) float64 {
	n := max(1, 1_000_000/len(body))
	start := cpu()
	for range n {
		parse(body)
	}
	return float64(cpu()-start) / 1e3 / float64(n)
}

func cpu() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
