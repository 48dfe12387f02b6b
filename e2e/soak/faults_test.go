package soak

import (
	"crypto/tls"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/caddy-telegram/telegramwebhook/integration/caddytest"
)

// warmUp lasts until all that grows to a bound has begun to: a rotation has ended
// and its grace period too, the steady node has been reloaded and flooded.
func (s *soak) warmUp() {
	caddytest.WaitUntil(s.t, "updates are delivered", func() bool { return s.api.Sender(caddytest.BotToken).Stats().Delivered > 100 })
	for range 3 {
		s.reload(s.steady())
	}
	s.flood(2 * time.Second)
	caddytest.WaitUntil(s.t, "a secret is stale", func() bool {
		s.known.mu.Lock()
		defer s.known.mu.Unlock()
		return len(s.known.stale) > 0
	})
}

// event is something that befalls the nodes, or what is around them.
type event struct {
	name   string
	befall func(random *rand.Rand)
}

// disturb lets one thing happen after the other until the time is over: all of
// them first, then by turns those that leave storage alone, and all.
func (s *soak) disturb() {
	random := s.random(0)
	s.takeWebhook() // once: who does it three times in ten minutes is let have it
	end := time.Now().Add(*soakTime)
	for turn := 0; turn == 0 || time.Now().Before(end); turn++ {
		deck := s.events()
		if turn%2 == 0 {
			deck = append(deck, s.storageEvents()...)
		}
		random.Shuffle(len(deck), func(i, j int) { deck[i], deck[j] = deck[j], deck[i] })
		for _, e := range deck {
			if turn > 0 && time.Now().After(end) {
				break
			}
			<-time.After(upTo(random, time.Second/2))
			e.befall(random)
			s.befallen[e.name]++
		}
	}
}

func (s *soak) events() []event {
	return []event{
		{"reload of the steady node", func(*rand.Rand) { s.reload(s.steady()) }},
		{"reload", func(random *rand.Rand) { s.reload(s.any(random)) }},
		{"reload", func(random *rand.Rand) { s.reload(s.any(random)) }},
		{"kill", func(random *rand.Rand) { s.kill(s.mortal(random)) }},
		{"kill", func(random *rand.Rand) { s.kill(s.mortal(random)) }},
		{"bot restarted", s.restartBot},
		{"flood", func(random *rand.Rand) { s.flood(upTo(random, 2*time.Second)) }},
	}
}

func (s *soak) storageEvents() []event {
	return []event{
		{"storage away", s.storageAway},
		{"storage hangs", s.storageHangs},
		{"storage slow", s.storageSlow},
		{"record damaged", func(*rand.Rand) { s.breakRecord(func() error { return caddytest.WriteFile(s.record, "{torn") }) }},
		{"record lost", func(*rand.Rand) { s.breakRecord(func() error { return os.Remove(s.record) }) }},
	}
}

func upTo(random *rand.Rand, d time.Duration) time.Duration {
	return time.Duration(random.Int64N(int64(d)))
}

func (s *soak) any(random *rand.Rand) *soakNode { return s.nodes[random.IntN(soakNodes)] }

// mortal is a node that may be killed.
func (s *soak) mortal(random *rand.Rand) *soakNode { return s.nodes[1+random.IntN(soakNodes-1)] }

// fault sets what the storage of all nodes does; nothing ends it.
func (s *soak) fault(lines ...string) {
	s.known.blindFor(time.Hour)
	if err := caddytest.WriteFile(filepath.Join(s.root, "faults"), strings.Join(lines, "\n")); err != nil {
		s.t.Fatal(err)
	}
	if len(lines) == 0 {
		s.known.mu.Lock()
		s.known.blind = time.Now().Add(soakBlind)
		s.known.mu.Unlock()
	}
}

// storageAway lets storage fail while one node is reloaded and another one killed.
func (s *soak) storageAway(random *rand.Rand) {
	s.fault("load fail", "store fail", "lock fail")
	s.reload(s.steady())
	s.kill(s.mortal(random))
	<-time.After(upTo(random, 2*time.Second))
	s.fault()
}

// storageHangs lets storage give no answer.
func (s *soak) storageHangs(random *rand.Rand) {
	s.fault("load 1h", "store 1h", "lock 1h")
	s.reload(s.any(random))
	<-time.After(upTo(random, 3*time.Second))
	s.fault()
}

// storageSlow lets every operation of storage take half a second.
func (s *soak) storageSlow(random *rand.Rand) {
	s.fault("load 500ms", "store 500ms", "lock 500ms")
	s.reload(s.any(random))
	<-time.After(upTo(random, 4*time.Second))
	s.fault()
}

// breakRecord takes the secrets away from storage, and waits until they are back.
func (s *soak) breakRecord(how func() error) {
	s.known.blindFor(time.Hour)
	if err := how(); err != nil {
		s.t.Fatal(err)
	}
	caddytest.WaitUntil(s.t, "the record is back", func() bool {
		content, _ := os.ReadFile(s.record)
		current, _, _ := caddytest.ParseSecretRecord(content)
		return current != ""
	})
	s.fault()
}

// restartBot has the bot hang up on everybody, and be away for a moment.
func (s *soak) restartBot(random *rand.Rand) {
	s.bot.stop()
	<-time.After(upTo(random, 2*time.Second))
	s.bot.start()
}

// flood connects to the steady node from four addresses, as fast as it goes.
func (s *soak) flood(lasts time.Duration) {
	end := time.Now().Add(lasts)
	var flood sync.WaitGroup
	for i := range 4 {
		flood.Go(func() {
			dialer := tls.Dialer{
				NetDialer: &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 2, byte(1+i))}, Timeout: soakHaste},
				Config:    &tls.Config{ServerName: "localhost", InsecureSkipVerify: true}, //nolint:gosec // it is a forger
			}
			for time.Now().Before(end) {
				conn, err := dialer.Dial("tcp4", fmt.Sprintf("127.0.0.1:%d", s.steady().port))
				s.forged.flood.Add(1)
				if err != nil {
					continue
				}
				_ = conn.SetDeadline(time.Now().Add(caddytest.Patience))
				_, _ = fmt.Fprint(conn, "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n")
				_, _ = conn.Read(make([]byte, 1000))
				_ = conn.Close()
			}
		})
	}
	flood.Wait()
}

// takeWebhook is somebody else with the token, who registers an address at which
// nobody listens. The gate takes the webhook back.
func (s *soak) takeWebhook() {
	elsewhere := fmt.Sprintf("https://localhost:%d/", caddytest.FreePort(s.t))
	caddytest.WaitUntil(s.t, "somebody else has the webhook", func() bool {
		resp, err := http.PostForm(s.telegram+"/bot"+caddytest.BotToken+"/setWebhook", url.Values{"url": {elsewhere}})
		if err != nil {
			s.t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
	s.befallen["webhook taken"]++
}
