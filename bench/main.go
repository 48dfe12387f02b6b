// Command bench measures the gate and other ways to receive a Telegram bot's
// updates, side by side in one run. See docs/benchmarks.md.
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

	"github.com/caddy-telegram/telegramwebhook/bench/internal/contender"
)

// options are the flags of the command line.
type options struct {
	rounds     int
	duration   time.Duration
	cases      string
	contenders string
	quick      bool
}

func main() {
	if runHelper(os.Args) {
		return
	}
	var o options
	flag.IntVar(&o.rounds, "rounds", 7, "number of rounds")
	flag.DurationVar(&o.duration, "duration", 1200*time.Millisecond, "duration of a measurement; twice that for paced requests")
	flag.StringVar(&o.cases, "cases", "", "comma-separated list: "+strings.Join(caseNames(), ","))
	flag.StringVar(&o.contenders, "contenders", "", "comma-separated list: "+strings.Join(contenderNames(), ","))
	flag.BoolVar(&o.quick, "quick", false, "one short round, to see that everything works")
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
	return append(names, reloadsName, pollName)
}

func contenderNames() (names []string) {
	for _, c := range contender.All() {
		names = append(names, c.Name)
	}
	return names
}
