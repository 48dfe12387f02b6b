// Command many measures what many bots cost in one Caddy: so many handlers on one
// host, a path each, before the same proxy. It runs the real Caddy, with a bot
// and a stand-in for Telegram beside it, and prints processor times and memory of
// that process alone, as ratios to Caddy without the handlers.
//
//	go run . [-bots 1,100,1000,5000] [-group 32] [-profile <folder>]
package main

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"text/tabwriter"
	"time"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "github.com/caddy-telegram/telegramwebhook"
	"github.com/caddy-telegram/telegramwebhook/internal/telegram"
	"github.com/caddy-telegram/telegramwebhook/internal/telegramtest"
)

const connections = 8

var (
	requests = flag.Int("requests", 10_000, "how many requests are sent")
	reloads  = flag.Int("reloads", 5, "how many times the configuration is reloaded")
	group    = flag.Int("group", 0, "how many bots have a path prefix and a route in common; 0 for none")
	profiles = flag.String("profile", "", "the folder for profiles of processor time and memory")
)

func main() {
	if os.Getenv(runAsCaddy) != "" {
		caddycmd.Main()
		return
	}
	counts := flag.String("bots", "1,100,1000,5000", "how many bots")
	kinds := flag.String("kinds", "bare Caddy,secret,bot_token", "what stands before them")
	flag.Parse()
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "\tbots\tload\treload\theap\tRSS\tgoroutines\theap after reloads\tRSS\ta request\twall: load\treload\t")
	for _, count := range strings.Split(*counts, ",") {
		for _, k := range strings.Split(*kinds, ",") {
			r := run(kind(k), must(strconv.Atoi(count)))
			fmt.Fprintf(w, "%s\t%d\t%.0f ms\t%.0f ms\t%.1f MB\t%.1f MB\t%d\t%.1f MB\t%.1f MB\t%.1f µs\t%.0f ms\t%.0f ms\t\n", k, r.bots,
				ms(r.load.cpu), ms(r.reload.cpu), mb(r.idle.heap), mb(r.idle.rss), r.idle.goroutines, mb(r.after.heap), mb(r.after.rss),
				float64(r.request.Nanoseconds())/1000, ms(r.load.wall), ms(r.reload.wall))
			w.Flush()
		}
	}
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
func mb(bytes int) float64       { return float64(bytes) / 1e6 }

// result is what so many bots cost.
type result struct {
	bots         int
	load, reload usage
	idle, after  memory
	request      time.Duration // of processor time
}

func run(k kind, bots int) result {
	s := newStage()
	defer s.close()
	r := result{bots: bots}
	s.profile(k, bots, "load", func() { r.load = s.load(s.config(k, bots, 0)) })
	if k == withToken {
		s.wait("all are registered", func() bool { return s.registered() == bots })
	}
	r.idle = s.memory()
	s.profile(k, bots, "request", func() { r.request = s.measure(func() { s.send(k, bots) }).cpu / time.Duration(*requests) })
	var loads []usage
	s.profile(k, bots, "reload", func() {
		for i := range *reloads {
			loads = append(loads, s.load(s.config(k, bots, i+1)))
		}
	})
	slices.SortFunc(loads, func(a, b usage) int { return int(a.cpu - b.cpu) })
	r.reload = loads[len(loads)/2]
	r.after = s.memory()
	if *profiles != "" {
		s.save(k, bots, "heap", s.get("/debug/pprof/heap?gc=1"))
	}
	return r
}

// registered is how many bots Telegram has a webhook of.
func (s *stage) registered() (n int) {
	for _, call := range s.telegram.Calls("setWebhook") {
		if call.Status == http.StatusOK {
			n++
		}
	}
	return n
}

// send sends updates to all bots in turn.
func (s *stage) send(k kind, bots int) {
	var next atomic.Int64
	var sending sync.WaitGroup
	body := telegramtest.Message(1, 1, "I can. Do the tomatoes need water too?")
	for range connections {
		sending.Go(func() {
			for i := next.Add(1); i <= int64(*requests); i = next.Add(1) {
				n := int(i) * 7919 % bots
				r := must(http.NewRequest(http.MethodPost, s.site+path(n), bytes.NewReader(body)))
				r.Header.Set("Content-Type", "application/json")
				switch k {
				case withSecret:
					r.Header.Set(telegram.SecretHeader, secretOf(n))
				case withToken:
					r.Header.Set(telegram.SecretHeader, s.telegram.Webhook(token(n)).Secret)
				}
				resp := must(s.client.Do(r))
				_, _ = io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
				if resp.StatusCode != http.StatusOK {
					panic(fmt.Sprintf("bot %d: %s", n, resp.Status))
				}
			}
		})
	}
	sending.Wait()
}

// profile profiles Caddy while something happens, if profiles are asked for.
func (s *stage) profile(k kind, bots int, name string, do func()) {
	if *profiles == "" {
		do()
		return
	}
	profile := make(chan string)
	go func() { profile <- s.get("/debug/pprof/profile?seconds=5") }()
	time.Sleep(100 * time.Millisecond)
	do()
	s.save(k, bots, name, <-profile)
}

func (s *stage) save(k kind, bots int, name, content string) {
	file := filepath.Join(*profiles, fmt.Sprintf("%s-%d-%s.pprof", strings.ReplaceAll(string(k), " ", "-"), bots, name))
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		panic(err)
	}
}
