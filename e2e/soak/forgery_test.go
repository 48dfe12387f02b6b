package soak

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddy-telegram/telegramwebhook/integration/caddytest"
)

const (
	soakStrangers = 2

	// soakHaste is how long a forger waits for a connection: who has forged too often
	// gets no answer, not even that there is none.
	soakHaste  = 200 * time.Millisecond
	forgedText = "forged"

	// soakSlack is how much longer than its grace period a secret may be accepted:
	// a node reads storage at most once a second when it meets one that it does not know.
	soakSlack = 2 * time.Second

	// soakBlind is how long a node may know nothing new after its storage was
	// away: one reading takes at most 10 seconds.
	soakBlind = 12 * time.Second
)

// knownSecrets is what somebody knows who has read the record all the time.
type knownSecrets struct {
	mu      sync.Mutex
	current string
	used    map[string]time.Time // when one was last accepted, for all that can be known
	stale   []string
	all     map[string]bool
	changes int
	blind   time.Time // nodes may not know the record as it is until then
}

func newKnownSecrets() *knownSecrets {
	return &knownSecrets{used: make(map[string]time.Time), all: make(map[string]bool)}
}

func (k *knownSecrets) watch(ctx context.Context, file string) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			content, _ := os.ReadFile(file)
			k.look(content, time.Now())
		}
	}
}

// look takes over what the record says. While it says nothing, or nodes may not
// know it, everything that was not stale before may still be accepted.
func (k *knownSecrets) look(content []byte, now time.Time) {
	current, next, previous := caddytest.ParseSecretRecord(content)
	k.mu.Lock()
	defer k.mu.Unlock()
	if current != "" && current != k.current {
		k.changes++
		k.current = current
	}
	for _, value := range append([]string{current, next}, previous...) {
		if value != "" {
			k.used[value], k.all[value] = now, true
		}
	}
	blind := current == "" || now.Before(k.blind)
	for value, at := range k.used {
		switch {
		case blind:
			k.used[value] = now
		case now.Sub(at) > soakGrace+soakSlack:
			k.stale = append(k.stale, value)
			delete(k.used, value)
		}
	}
}

// blindFor is told of faults of the storage.
func (k *knownSecrets) blindFor(d time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if until := time.Now().Add(d); until.After(k.blind) {
		k.blind = until
	}
}

func (k *knownSecrets) isBlind() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return time.Now().Before(k.blind)
}

// kindsOfForgery are the values that are no accepted secret, near as they may come.
var kindsOfForgery = []string{"random", "shortened", "lengthened", "twice", "none", "stale"}

// forgery returns the secrets of a request of that kind.
func (k *knownSecrets) forgery(kind string, random *rand.Rand) (values []string, ok bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch kind {
	case "random":
		return []string{fmt.Sprintf("random_%d_%d", random.Uint64(), random.Uint64())}, true
	case "none":
		return nil, true
	case "stale":
		if len(k.stale) == 0 {
			return nil, false
		}
		return []string{k.stale[random.IntN(len(k.stale))]}, true
	}
	if k.current == "" {
		return nil, false
	}
	switch kind {
	case "shortened":
		return []string{k.current[1:]}, true
	case "lengthened":
		return []string{k.current + "x"}, true
	}
	return []string{k.current, k.current}, true
}

// forgeries is how many requests with each kind were answered, and how many got
// no answer: from nodes that were killed, or that dropped the connection.
type forgeries struct {
	answered   map[string]*atomic.Int64
	unanswered atomic.Int64
	flood      atomic.Int64 // connections of the flood
}

func (f *forgeries) init() {
	f.answered = make(map[string]*atomic.Int64)
	for _, kind := range kindsOfForgery {
		f.answered[kind] = new(atomic.Int64)
	}
}

// forgeAsStranger forges on one connection after the other, many times from one
// address until it is barred, and then from the next.
func (s *soak) forgeAsStranger(ctx context.Context, random *rand.Rand) {
	for ctx.Err() == nil {
		client := s.forger(fmt.Sprintf("127.0.1.%d", 1+random.IntN(250)), false)
		for range 50 {
			s.forge(ctx, client, random, s.nodes[random.IntN(soakNodes)])
			s.pause(ctx, 20*time.Millisecond)
		}
	}
}

// forgeThroughProxy forges on open connections that are never barred.
func (s *soak) forgeThroughProxy(ctx context.Context, random *rand.Rand) {
	client := s.forger(soakProxy, true)
	defer client.CloseIdleConnections()
	for ctx.Err() == nil {
		s.forge(ctx, client, random, s.nodes[random.IntN(soakNodes)])
		s.pause(ctx, 10*time.Millisecond)
	}
}

func (s *soak) pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// forger is a client at an address of its own.
func (s *soak) forger(address string, keep bool) *http.Client {
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}, Timeout: soakHaste}
	return &http.Client{Timeout: caddytest.Patience, Transport: &http.Transport{
		TLSClientConfig:   &tls.Config{RootCAs: s.steady().RootsOf(filepath.Join(s.root, "pki/authorities/local/root.crt"))},
		DisableKeepAlives: !keep,
		DialContext: func(ctx context.Context, _, address string) (net.Conn, error) {
			return dialer.DialContext(ctx, "tcp4", address)
		},
	}}
}

// forge makes one request that must not pass.
func (s *soak) forge(ctx context.Context, client *http.Client, random *rand.Rand, n *soakNode) {
	kind := kindsOfForgery[random.IntN(len(kindsOfForgery))]
	values, ok := s.known.forgery(kind, random)
	if !ok {
		return
	}
	r := caddytest.Update(s.t, fmt.Sprintf("https://localhost:%d/", n.port), values...).WithContext(ctx)
	r.Body = io.NopCloser(strings.NewReader(`{"update_id":0,"message":{"text":"` + forgedText + `"}}`))
	r.ContentLength = -1
	resp, err := client.Do(r)
	if err != nil {
		s.forged.unanswered.Add(1)
		return
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	s.forged.answered[kind].Add(1)
	if resp.StatusCode != http.StatusForbidden && resp.StatusCode != http.StatusServiceUnavailable {
		s.t.Errorf("a forgery, %s, got %d", kind, resp.StatusCode)
	}
}
