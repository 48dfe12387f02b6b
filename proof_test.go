package telegramwebhook

import (
	"context"
	"encoding/json"
	"flag"
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
	"testing"
	"time"

	"github.com/caddy-telegram/telegramwebhook/internal/telegramtest"
)

var (
	proofTime = flag.Duration("proof", 20*time.Second, "how long TestProof lets things happen")
	proofSeed = flag.Uint64("seed", 0, "the seed of TestProof; 0 for a new one")
)

const (
	proofNodes = 3
	proofGrace = 3 * time.Second
	forgedText = "forged"
)

// TestProof is the promise: no genuine update is lost or refused for good, and
// no forged one passes, while three nodes with one storage rotate their secret
// every few seconds, are reloaded, and are killed at any moment.
func TestProof(t *testing.T) {
	seed := *proofSeed
	for seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("repeat with: go test -race -run TestProof . -args -seed %d -proof %s", seed, *proofTime)
	random := rand.New(rand.NewPCG(seed, 0))

	f := startProof(t)
	ctx, stop := context.WithTimeout(t.Context(), *proofTime)
	defer stop()
	var work sync.WaitGroup
	work.Go(func() { f.forge(ctx) })
	work.Go(func() { f.send(ctx) })
	f.disturb(ctx, random)
	work.Wait()

	finish, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	if err := f.api.Sender(botToken).Wait(finish); err != nil {
		t.Errorf("not all is delivered: %v: %+v", err, f.api.Sender(botToken).Stats())
	}
	f.judge()
}

// proof is three nodes behind one address, their bot, and Telegram.
type proof struct {
	t      *testing.T
	api    *telegramtest.API
	nodes  [proofNodes]*caddyProcess
	admins [proofNodes]int
	ports  [proofNodes]int
	config func(node, n int) string
	shared string
	public string // the address that is registered

	sent                            atomic.Int64
	seen                            sync.Map // update ids that the bot has handled
	forgedThrough, forged, refused  atomic.Int64
	cut, kills, reloads, mayBeStale atomic.Int64
}

func startProof(t *testing.T) *proof {
	f := &proof{t: t, shared: t.TempDir()}
	f.api = telegramtest.NewAPI(telegramtest.APIOptions{
		Tokens: []string{botToken}, AllowPort: true, AllowReserved: true,
		Sender: telegramtest.Options{
			After:     func(d time.Duration) <-chan time.Time { return time.After(d / 50) },
			OnAttempt: f.attempt,
		},
	})
	address, stop := f.api.Start()
	t.Cleanup(stop)
	bot := startBot(t, f.handle)

	for i := range proofNodes {
		f.admins[i], f.ports[i] = freePort(t), freePort(t)
	}
	f.public = f.balance()
	f.config = func(node, n int) string {
		return fmt.Sprintf(`{
	admin localhost:%d
	storage file_system %s
	skip_install_trust
	auto_https disable_redirects
	grace_period 1s
}
https://localhost:%d {
	telegram_webhook {
		bot_token {env.TELEGRAM_TOKEN}
		rotate 5s %s
		url https://%s/
		api %s
		certificate internal
		retry_after %ds
	}
	reverse_proxy %s
}
`, f.admins[node], f.shared, f.ports[node], proofGrace, f.public, address, n%50+1, bot)
	}
	for i := range proofNodes { // one after the other: Caddy's CA is made only once
		f.nodes[i] = startCaddy(t, f.config(i, 0))
	}
	waitUntil(t, "the webhook is registered", func() bool { return f.api.Webhook(botToken).URL != "" })
	return f
}

// handle is the bot.
func (f *proof) handle(_ http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // cut off; it comes again
	}
	if strings.Contains(string(body), forgedText) {
		f.forgedThrough.Add(1)
	}
	var u struct {
		ID int64 `json:"update_id"`
	}
	_ = json.Unmarshal(body, &u)
	f.seen.Store(u.ID, true)
}

func (f *proof) attempt(a telegramtest.Attempt) {
	switch {
	case a.Status == 0:
		f.cut.Add(1)
	case a.Status == http.StatusForbidden:
		f.refused.Add(1)
	}
	if a.Expired {
		f.t.Errorf("update %d was given up after try %d with %d", a.UpdateID, a.Try, a.Status)
	}
}

// balance is what stands before the nodes: it takes any that is there for each
// connection, without looking into it.
func (f *proof) balance() (address string) {
	l, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { l.Close() })
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			go f.connect(client)
		}
	}()
	return fmt.Sprintf("localhost:%d", l.Addr().(*net.TCPAddr).Port)
}

func (f *proof) connect(client net.Conn) {
	defer client.Close()
	for _, i := range rand.Perm(proofNodes) {
		node, err := net.Dial("tcp", fmt.Sprintf("localhost:%d", f.ports[i]))
		if err != nil {
			continue
		}
		defer node.Close()
		go func() {
			_, _ = io.Copy(node, client)
			node.Close()
		}()
		_, _ = io.Copy(client, node)
		return
	}
}

// send lets updates happen in 80 chats, so that all of Telegram's 40 connections
// are in use.
func (f *proof) send(ctx context.Context) {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			id := f.sent.Add(1)
			f.api.Send(botToken, telegramtest.Message(id, id%80, "genuine"))
		}
	}
}

// disturb kills and reloads nodes until the context ends.
func (f *proof) disturb(ctx context.Context, random *rand.Rand) {
	for n := 1; ; n++ {
		pause := time.Duration(random.IntN(1500)) * time.Millisecond
		node, kill := random.IntN(proofNodes), random.IntN(2) == 0
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
		if kill {
			_ = f.nodes[node].cmd.Process.Kill()
			_ = f.nodes[node].cmd.Wait()
			f.nodes[node].start()
			f.kills.Add(1)
		} else {
			load(f.t, f.admins[node], f.config(node, n))
			f.reloads.Add(1)
		}
	}
}

// forge posts with what is no accepted secret: random ones, the right one but
// for a byte, and those whose grace period is over.
func (f *proof) forge(ctx context.Context) {
	client := f.nodes[0].clientOf(filepath.Join(f.shared, "pki/authorities/local/root.crt"))
	var stale []string
	used := make(map[string]time.Time) // when a secret was last seen in the record
	file := secretFile(f.t, f.shared)
	for ctx.Err() == nil {
		now := time.Now()
		record, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		current := ""
		for _, value := range secretsIn(record) {
			if value == "" {
				continue
			}
			if current == "" {
				current = value
			}
			used[value] = now
		}
		if current == "" {
			continue
		}
		for value, at := range used {
			if now.Sub(at) > proofGrace+time.Second {
				stale = append(stale, value)
				delete(used, value)
			}
		}
		forgeries := []string{"random_" + fmt.Sprint(rand.Uint64()), current[1:] + "x", current + "x", ""}
		if len(stale) > 0 {
			forgeries = append(forgeries, stale[rand.IntN(len(stale))], stale[len(stale)-1])
			f.mayBeStale.Add(2)
		}
		for _, value := range forgeries {
			f.post(ctx, client, value)
		}
	}
}

func (f *proof) post(ctx context.Context, client *http.Client, value string) {
	url := fmt.Sprintf("https://localhost:%d/", f.ports[rand.IntN(proofNodes)])
	r := update(f.t, url, value).WithContext(ctx)
	r.Body = io.NopCloser(strings.NewReader(`{"update_id":0,"message":{"text":"` + forgedText + `"}}`))
	r.ContentLength = -1
	resp, err := client.Do(r)
	if err != nil {
		return // a node that is being killed
	}
	resp.Body.Close()
	f.forged.Add(1)
	if resp.StatusCode != http.StatusForbidden && resp.StatusCode != http.StatusServiceUnavailable {
		f.t.Errorf("a forgery got %d", resp.StatusCode)
	}
}

// judge compares what was promised with what happened.
func (f *proof) judge() {
	lost := 0
	for id := int64(1); id <= f.sent.Load(); id++ {
		if _, ok := f.seen.Load(id); !ok {
			lost++
		}
	}
	rotations := len(f.api.Calls("setWebhook")) - 1
	f.t.Logf("%d updates sent, %d lost, %d answered 403 and delivered later, %d repeated after a cut connection; %d forgeries, %d of them stale secrets, %d through; %d kills, %d reloads, %d rotations",
		f.sent.Load(), lost, f.refused.Load(), f.cut.Load(), f.forged.Load(), f.mayBeStale.Load(), f.forgedThrough.Load(),
		f.kills.Load(), f.reloads.Load(), rotations)
	if lost > 0 || f.forgedThrough.Load() > 0 {
		f.t.Error("the promise is broken")
	}
	if f.kills.Load() == 0 || f.reloads.Load() == 0 || rotations == 0 || f.mayBeStale.Load() == 0 || f.forged.Load() == 0 {
		f.t.Error("not all that was to happen has happened")
	}
}

// secretsIn lists the values in a record, the current one first.
func secretsIn(content []byte) []string {
	current, next, previous := parseRecord(content)
	return append([]string{current, next}, previous...)
}

// parseRecord reads a record of kept secrets; what is not there is empty.
func parseRecord(content []byte) (current, next string, previous []string) {
	var record struct {
		Current, Next struct{ Value string }
		Previous      []struct{ Value string }
	}
	_ = json.Unmarshal(content, &record)
	for _, p := range record.Previous {
		previous = append(previous, p.Value)
	}
	return record.Current.Value, record.Next.Value, previous
}
