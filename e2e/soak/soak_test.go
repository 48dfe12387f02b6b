// Package soak has everything that may befall some Caddy processes happen at once,
// for as long as it is told:
//
//	go test -race -v -timeout 30m -run TestSoak ./soak -args -soak 10m
//
// Without -soak it only checks its own judgement.
package soak

import (
	"context"
	"flag"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/caddy-telegram/telegramwebhook/integration/caddytest"
	"github.com/caddy-telegram/telegramwebhook/internal/telegramtest"
)

var (
	soakTime = flag.Duration("soak", 0, "how long TestSoak lets things happen, at least; 0 for no soak")
	soakSeed = flag.Uint64("seed", 0, "the seed of TestSoak; 0 for a new one")
)

func TestMain(m *testing.M) { caddytest.Main(m, ".") }

// TestSoak is the promise, with everything on. Three nodes with one storage
// rotate their secret every few seconds, check the webhook, read every update
// for its placeholders, and hand it to the bot once, while they are reloaded,
// flooded and killed, their storage fails, the bot hangs up and restarts, and
// somebody else takes the webhook. No genuine update is lost, no forged one
// passes, nothing secret is written anywhere, and the node that is never killed
// comes back to the goroutines, files and memory that it had before.
//
//   - fleet_test.go: the nodes
//   - traffic_test.go: Telegram, and the bot
//   - forgery_test.go: who forges
//   - faults_test.go: what befalls them
//   - vitals_test.go: what a process holds
//   - judge_test.go: what came of it
func TestSoak(t *testing.T) {
	if *soakTime > 0 {
		t.Run(soakTime.String(), runSoak)
	}
}

func runSoak(t *testing.T) {
	seed := *soakSeed
	for seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("repeat with: go test -race -run TestSoak ./soak -args -soak %s -seed %d", *soakTime, seed)
	s := startSoak(t, seed)
	s.live(s.warmUp)
	before := s.settled()
	s.live(s.disturb)
	after := s.recovered(before)
	s.judge(before, after)
}

// soak is the nodes, who talks to them, and what has been seen.
type soak struct {
	t        *testing.T
	seed     uint64
	api      *telegramtest.API
	telegram string // the address of its Bot API
	bot      *soakBot
	nodes    []*soakNode
	root     string // of the storage that they share
	record   string // the file with their secrets
	public   string // the address that is registered

	known    *knownSecrets
	traffic  traffic
	forged   forgeries
	befallen map[string]int
}

// random is the choices of one that takes part.
func (s *soak) random(who uint64) *rand.Rand { return rand.New(rand.NewPCG(s.seed, who)) }

// live lets Telegram send and others forge while something happens, and returns
// when all that was sent is delivered.
func (s *soak) live(happens func()) {
	ctx, stop := context.WithCancel(s.t.Context())
	var work sync.WaitGroup
	defer work.Wait()
	defer stop()
	work.Go(func() { s.known.watch(ctx, s.record) })
	work.Go(func() { s.send(ctx) })
	for who := range uint64(soakStrangers) {
		work.Go(func() { s.forgeAsStranger(ctx, s.random(1000+who)) })
	}
	work.Go(func() { s.forgeThroughProxy(ctx, s.random(2000)) })
	happens()
	stop()
	work.Wait()

	caddytest.WaitUntil(s.t, "the webhook is where it belongs", func() bool { return s.api.Webhook(caddytest.BotToken).URL == "https://"+s.public+"/" })
	finish, cancel := context.WithTimeout(s.t.Context(), 3*caddytest.Patience)
	defer cancel()
	if err := s.api.Sender(caddytest.BotToken).Wait(finish); err != nil {
		s.t.Errorf("not all is delivered: %v: %+v", err, s.api.Sender(caddytest.BotToken).Stats())
	}
}
