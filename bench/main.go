// Command bench measures this gate beside other ways to take a Telegram bot's
// updates: side by side, interleaved, in one run. See docs/benchmarks.md.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

// options are what the command line says.
type options struct {
	rounds     int
	duration   time.Duration
	cases      string
	contenders string
	quick      bool
	budgets    bool
}

func main() {
	if runHelper(os.Args) {
		return
	}
	var o options
	flag.IntVar(&o.rounds, "rounds", 5, "how often each is measured")
	flag.DurationVar(&o.duration, "duration", 1300*time.Millisecond, "how long a measurement lasts; of paced requests twice as long")
	flag.StringVar(&o.cases, "cases", "", "only these, with commas between: "+strings.Join(caseNames(), ","))
	flag.StringVar(&o.contenders, "contenders", "", "only these, with commas between")
	flag.BoolVar(&o.quick, "quick", false, "one short round: shows that it runs, writes nothing")
	flag.BoolVar(&o.budgets, "budgets", false, "print the budgets too")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := runAll(ctx, o, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func caseNames() (names []string) {
	for _, c := range allCases() {
		names = append(names, c.Name)
	}
	return append(names, reloadsName)
}
