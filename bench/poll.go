package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/caddy-telegram/telegramwebhook/bench/internal/report"
	"github.com/caddy-telegram/telegramwebhook/bench/internal/stats"
	"github.com/caddy-telegram/telegramwebhook/internal/telegramtest"
)

const (
	// pollName is the case in which one bot gets its updates in several ways.
	pollName = "poll"

	// polledRate is how many updates a second there are while the latency is measured:
	// fewer than the slowest way manages.
	polledRate = 25

	// awayTime is how much later a Bot API that is away answers each call.
	awayTime = 20 * time.Millisecond

	// polledChats is among how many chats the updates are spread.
	polledChats = 100
)

// A way is how the bot of bots/poll.js gets its updates.
type way struct {
	Name    string
	Label   string
	gate    string // the contender in front of the bot; empty if it polls by itself
	webhook bool   // the updates are sent, and not fetched
	answers bool   // the bot calls sendMessage for each update
	away    bool   // the Bot API is not on this machine
}

var ways = []*way{
	{Name: "itself", Label: "it polls by itself", answers: true},
	{Name: "poll", Label: "this gate polls", gate: "gate-poll", answers: true},
	{Name: "webhook", Label: "this gate, webhook", gate: "gate", webhook: true, answers: true},
	{Name: "itself-away", Label: "Bot API 20 ms away, it polls by itself", answers: true, away: true},
	{Name: "poll-away", Label: "Bot API 20 ms away, this gate polls", gate: "gate-poll", answers: true, away: true},
	{Name: "webhook-away", Label: "Bot API 20 ms away, this gate, webhook", gate: "gate", webhook: true, answers: true, away: true},
	{Name: "itself-idle", Label: "does nothing, it polls by itself"},
	{Name: "poll-idle", Label: "does nothing, this gate polls", gate: "gate-poll"},
	{Name: "webhook-idle", Label: "does nothing, this gate, webhook", gate: "gate", webhook: true},
}

// pollBudget has the bot that polls by itself at 1 / 0.8 of the rate with poll at most.
var pollBudget = budget{"updates a second of a bot that polls by itself and answers, × with poll", 1.25, pollName, "itself", "poll"}

var (
	updateRate   = figure{"updates", "1/s", rate.of}
	fromSend50   = figure{"from Telegram to the bot, p50", "ms", p50.of}
	fromSend99   = figure{"p99", "ms", p99.of}
	fromAnswer50 = figure{"from getUpdates' answer to the bot, p50", "ms", func(s sample) float64 { return float64(s.Answer50) / float64(time.Millisecond) }}
	fromAnswer99 = figure{"p99", "ms", func(s sample) float64 { return float64(s.Answer99) / float64(time.Millisecond) }}
)

// measurePolling measures one way after the other in each round.
func (r *run) measurePolling() (err error) {
	if !r.polls() {
		return nil
	}
	bots := make(map[*way]*polledBot)
	defer func() {
		for _, b := range bots {
			err = errors.Join(err, b.stop())
		}
	}()
	for _, w := range ways {
		if bots[w], err = r.startPolled(w); err != nil {
			return fmt.Errorf("%s, %s: %w", pollName, w.Name, err)
		}
	}
	for round := range r.rounds {
		for i := range ways {
			if err := r.ctx.Err(); err != nil {
				return err
			}
			w := ways[(i+round)%len(ways)]
			s, err := bots[w].measure(r.burst(), 2*r.duration)
			if err != nil {
				return fmt.Errorf("%s, %s: %w", pollName, w.Name, err)
			}
			r.add(pollName, w.Name, s)
			fmt.Fprintf(os.Stderr, "round %d  %-9s %-18s %8.0f/s  p50 %8v  p99 %8v\n", round+1, pollName, w.Name,
				s.Rate, s.P50.Round(time.Microsecond), s.P99.Round(time.Microsecond))
		}
	}
	return nil
}

// polls reports whether the options include the case.
func (o options) polls() bool { return o.contenders == "" && o.includesCase(pollName) }

// burst is how many updates wait for the bot while the rate is measured.
func (o options) burst() int {
	if o.quick {
		return 500
	}
	return 5000
}

// measure measures the rate with a burst of updates, and the latency with few of them.
func (b *polledBot) measure(burst int, duration time.Duration) (s sample, err error) {
	if b.away {
		burst /= 25 // a bot that polls by itself takes one at a time
	}
	if _, err := b.take(burst, 0); err != nil { // warms everything up
		return s, err
	}
	handled, err := b.take(burst, 0)
	if err != nil {
		return s, err
	}
	first, last := handled[0].Began, handled[0].Ended
	for _, h := range handled {
		first, last = min(first, h.Began), max(last, h.Ended)
	}
	s.Rate = float64(len(handled)) / (last - first) * 1000

	paced := int(duration.Seconds() * polledRate)
	if handled, err = b.take(paced, time.Second/polledRate); err != nil {
		return s, err
	}
	sent, answered := b.api.times()
	s.P50, s.P99 = since(sent, handled)
	if !b.webhook {
		s.Answer50, s.Answer99 = since(answered, handled)
	}
	return s, nil
}

// since returns the median and the 99th percentile of the time until the bot's handler
// has begun.
func since(begin map[int64]time.Time, handled []handling) (p50, p99 time.Duration) {
	var times []time.Duration
	for _, h := range handled {
		began := time.Unix(0, int64(h.Began*float64(time.Millisecond)))
		times = append(times, began.Sub(begin[h.ID]))
	}
	slices.Sort(times)
	return times[len(times)/2], times[len(times)*99/100]
}

// take has so many updates happen, that far apart, and returns what the bot did with them.
func (b *polledBot) take(n int, apart time.Duration) ([]handling, error) {
	for range n {
		b.last++
		b.api.sending(b.last)
		b.send(telegramtest.Message(b.last, 1+b.last%polledChats, "hello"))
		time.Sleep(apart)
	}
	for late := time.Now().Add(time.Minute); b.pending() > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(late) {
			return nil, fmt.Errorf("%d updates are not taken", b.pending())
		}
	}
	if _, err := fmt.Fprintln(b.stdin); err != nil {
		return nil, err
	}
	line, err := b.out.ReadBytes('\n')
	if err != nil {
		return nil, err
	}
	var handled []handling
	if err := json.Unmarshal(line, &handled); err != nil {
		return nil, err
	}
	different := make(map[int64]bool)
	for _, h := range handled {
		different[h.ID] = true
	}
	if len(handled) != n || len(different) != n {
		return nil, fmt.Errorf("the bot handled %d updates, %d different ones, want %d", len(handled), len(different), n)
	}
	return handled, nil
}

// pollTable returns the table of the case.
func (r *run) pollTable() *report.Table {
	figures := []figure{updateRate, fromSend50, fromSend99, fromAnswer50, fromAnswer99}
	t := &report.Table{Header: []string{"the bot", "updates × polling by itself"}}
	for _, f := range figures {
		t.Header = append(t.Header, f.String())
	}
	reference := ""
	for _, w := range ways {
		if w.gate == "" {
			reference = w.Name
		}
		if len(r.samples[pollName][w.Name]) == 0 {
			continue
		}
		row := []string{w.Label, report.Show(stats.Of(r.ratios(pollName, w.Name, reference, updateRate)))}
		for _, f := range figures {
			row = append(row, show(f, r.spread(pollName, w.Name, f)))
		}
		t.Add(row...)
	}
	return t
}
