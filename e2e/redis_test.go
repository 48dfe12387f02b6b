package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/caddy-telegram/telegramwebhook/internal/status"
	"github.com/caddy-telegram/telegramwebhook/internal/telegramtest"
)

const (
	// pace is the time between two genuine updates; one in forgedEvery is followed by a
	// forged one.
	pace        = 8 * time.Millisecond
	forgedEvery = 20

	// rotateEvery is how long a secret is registered, and accepted afterwards.
	rotateEvery = 6 * time.Second

	// fault is how long a fault lasts, and recovery how long it is watched afterwards.
	fault    = 3 * time.Second
	recovery = 4 * time.Second
)

// TestRedis has four nodes share a storage in Redis and rotate the secret every few
// seconds, while nodes and Redis are killed, Redis loses records, a node is cut off
// from Redis, and a canary is aborted. No genuine update is refused, and no forged one
// passes.
func TestRedis(t *testing.T) {
	binary := filepath.Join(workFolder, "caddy-redis")
	if err := command(".", "go", append(append([]string{"build"}, buildFlags...), "-o", binary, "./redis")...); err != nil {
		t.Fatal(err)
	}
	for name, mode := range map[string]string{"errors": "", "vague errors": "vague"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t, binary, mode)
			rounds := 1
			if *long {
				rounds = 10
			}
			f.observe("no fault", 0, func() { pause(rotateEvery) })
			for n := range rounds {
				f.round(n)
			}
			f.finish()
		})
	}
	t.Run("aborted canary", func(t *testing.T) {
		t.Parallel()
		f := newFleet(t, binary, "")
		f.observe("no fault", 0, func() {}) // Telegram takes one call a second
		f.abortCanary(binary)
		f.finish()
	})
}

// abortCanary has a node with a newer configuration take the webhook over, and kills
// it. The other nodes stand down meanwhile, and take over again by themselves.
func (f *fleet) abortCanary(binary string) {
	const canaryURL = "https://canary.example.com" + genuinePath
	canary := newNode(f.t, binary, f.redis.address, "", f.apiURL, canaryURL)
	f.observe("the canary registers", 1, func() {
		canary.start()
		for _, n := range f.nodes {
			eventually(f.t, n.address+" stands down", func() bool { return n.status().State == "superseded" })
		}
	})
	if url := f.api.Webhook(botToken).URL; url != canaryURL {
		f.t.Errorf("while the canary runs, Telegram has %s", url)
	}
	f.observe("the canary killed", 1, func() {
		canary.process.end(syscall.SIGKILL)
		within(f.t, 2*patience, "Telegram has the old address again", func() bool {
			return f.api.Webhook(botToken).URL == nodeURL
		})
	})
	for _, n := range f.nodes {
		within(f.t, 2*patience, n.address+" is registered again", func() bool { return n.status().State == status.Registered })
	}
	told := func(n *node) bool { return n.process.out.contain("webhook taken over from inactive nodes") }
	if !slices.ContainsFunc(f.nodes, told) {
		f.t.Error("no node says that it has taken over again")
	}
}

// round has every event happen once.
func (f *fleet) round(n int) {
	one, other := f.nodes[n%len(f.nodes)], f.nodes[(n+1)%len(f.nodes)]
	f.observe("a node killed", 1, func() {
		one.process.end(syscall.SIGKILL)
		pause(fault)
		one.start()
	})
	f.observe("the leader killed", 1, func() {
		leader := f.leader()
		leader.process.end(syscall.SIGKILL)
		pause(fault)
		leader.start()
	})
	f.observe("Redis killed", 1, func() {
		f.redis.save()
		f.redis.process.end(syscall.SIGKILL)
		pause(fault)
		f.redis.start()
	})
	f.observe("Redis killed, a node replaced", 2, func() {
		f.redis.save()
		f.redis.process.end(syscall.SIGKILL)
		one.process.end(syscall.SIGKILL)
		one.run()
		pause(fault)
		f.redis.start()
		one.awaitReady()
	})
	f.observe("Redis back with old records", 1, func() {
		f.redis.save()
		pause(rotateEvery)
		f.redis.process.end(syscall.SIGKILL)
		f.redis.start()
	})
	f.observe("FLUSHALL", 1, func() {
		if err := f.redis.client.FlushAll(f.t.Context()).Err(); err != nil {
			f.t.Fatal(err)
		}
		pause(fault)
	})
	f.observe("a node cut off", 1, func() {
		other.link.set(refused)
		pause(rotateEvery)
		other.link.set(open)
	})
	f.observe("a node without answers", 1, func() {
		one.link.set(silent)
		pause(rotateEvery)
		one.link.set(open)
	})
}

func pause(d time.Duration) { <-time.After(d) }

// fleet is nodes that serve one bot.
type fleet struct {
	t      *testing.T
	api    *telegramtest.API
	apiURL string
	redis  *redisServer
	nodes  []*node
	client *http.Client
	start  time.Time
	stop   func() // ends the updates

	mu      sync.Mutex
	answers map[int]int // genuine updates by status; 0 is no answer
	faults  int
	table   []string
}

// newFleet returns once every node accepts the secret, and updates come.
func newFleet(t *testing.T, binary, mode string) *fleet {
	f := &fleet{t: t, answers: make(map[int]int), start: time.Now()}
	f.api = newBotAPI(telegramtest.APIOptions{Local: true, NoDelivery: true})
	apiURL, stop := f.api.Start()
	t.Cleanup(stop)
	f.apiURL = apiURL
	f.redis = startRedis(t)
	transport := &http.Transport{MaxIdleConnsPerHost: 100}
	t.Cleanup(transport.CloseIdleConnections)
	f.client = &http.Client{Transport: transport, Timeout: patience}
	for range 4 {
		f.nodes = append(f.nodes, newNode(t, binary, f.redis.address, mode, apiURL, nodeURL))
	}
	for _, n := range f.nodes {
		n.start()
	}
	f.awaitAccepted()
	f.send()
	return f
}

// send posts updates to the nodes in turn, each with the secret that Telegram has.
func (f *fleet) send() {
	quit := make(chan struct{})
	var sending sync.WaitGroup
	sending.Go(func() {
		tick := time.NewTicker(pace)
		defer tick.Stop()
		for id := int64(1); ; id++ {
			select {
			case <-tick.C:
			case <-quit:
				return
			}
			n := f.nodes[id%int64(len(f.nodes))]
			value := f.api.Webhook(botToken).Secret
			sending.Go(func() {
				answer := f.post(n, id, value)
				f.count(n, answer, time.Since(f.start))
				if id%forgedEvery == 0 && f.post(n, id, value[1:]+"x") == http.StatusOK {
					f.t.Errorf("%s lets a forged update pass", n.address)
				}
			})
		}
	})
	f.stop = sync.OnceFunc(func() {
		close(quit)
		sending.Wait()
	})
	f.t.Cleanup(f.stop)
}

// post returns the status that an update is answered with, 0 if it is not answered.
func (f *fleet) post(n *node, id int64, value string) int {
	req, err := http.NewRequest(http.MethodPost, "http://"+n.address+genuinePath, bytes.NewReader(telegramtest.Message(id, 1+id%chats, saying)))
	if err != nil {
		return 0
	}
	req.Host = host
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Telegram-Bot-Api-Secret-Token", value)
	resp, err := f.client.Do(req)
	if err != nil {
		return 0
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}

func (f *fleet) count(n *node, answer int, at time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.answers[answer]++; answer == http.StatusForbidden && f.answers[answer] < 4 {
		f.t.Errorf("%s refuses a genuine update after %s", n.address, at)
	}
}

// observe has something happen, and notes what came of it.
func (f *fleet) observe(event string, faults int, happen func()) {
	f.t.Helper()
	before, calls := f.figures()
	f.faults += faults
	happen()
	pause(recovery)
	f.awaitAccepted()
	after, callsAfter := f.figures()
	f.table = append(f.table, fmt.Sprintf("%-30s %7d %7d %7d %9d %11d", event,
		after[200]-before[200], after[403]-before[403], after[503]-before[503], after[0]-before[0], callsAfter-calls))
}

func (f *fleet) figures() (answers map[int]int, calls int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	answers = make(map[int]int)
	for status, n := range f.answers {
		answers[status] = n
	}
	return answers, len(f.api.Calls("setWebhook"))
}

// awaitAccepted returns once every node accepts the secret that Telegram has.
func (f *fleet) awaitAccepted() {
	f.t.Helper()
	for _, n := range f.nodes {
		eventually(f.t, n.address+" accepts the secret that Telegram has", func() bool {
			return f.post(n, 0, f.api.Webhook(botToken).Secret) == http.StatusOK
		})
	}
}

// finish logs the table, and judges the calls.
func (f *fleet) finish() {
	f.awaitAccepted()
	f.stop()
	took := time.Since(f.start)
	f.t.Logf("%s\n%-30s %7s %7s %7s %9s %11s\n%s", took.Round(time.Second),
		"event", "passed", "403", "503", "no answer", "setWebhook", strings.Join(f.table, "\n"))
	calls, secrets := f.api.Calls("setWebhook"), make(map[string]bool)
	for _, call := range calls {
		secrets[call.Params["secret_token"]] = true
	}
	rotations := len(secrets) - 1
	f.t.Logf("%d rotations, %d faults, %d calls of setWebhook", rotations, f.faults, len(calls))
	if len(calls) > 1+rotations+f.faults || rotations > int(took/rotateEvery)+f.faults {
		f.t.Errorf("%d calls of setWebhook with %d secrets for %d faults in %s", len(calls), len(secrets), f.faults, took)
	}
	for answer, n := range f.answers {
		if !slices.Contains([]int{0, http.StatusOK, http.StatusForbidden, http.StatusServiceUnavailable}, answer) {
			f.t.Errorf("%d genuine updates were answered with %d", n, answer)
		}
	}
}

// leader is the node that has looked after the webhook last.
func (f *fleet) leader() (leader *node) {
	f.t.Helper()
	eventually(f.t, "a node leads", func() bool {
		i := slices.IndexFunc(f.nodes, func(n *node) bool {
			return strings.HasSuffix(n.status().Storage.Leader, fmt.Sprint("-", n.process.cmd.Process.Pid))
		})
		if i < 0 {
			return false
		}
		leader = f.nodes[i]
		return true
	})
	return leader
}

// node is a Caddy with storage in Redis.
type node struct {
	t       *testing.T
	binary  string
	dir     string
	address string
	admin   string
	link    *link
	process *process
}

const nodeCaddyfile = `{
	admin %s
	auto_https off
	storage redis %s %s
}

http://%s:%d {
	bind 127.0.0.1
	telegram_webhook {
		bot_token {env.TELEGRAM_BOT_TOKEN}
		allow_http
		url %s
		api %s
		rotate %s %s
		check 10s
	}
	respond ok
}
`

const nodeURL = "https://" + host + genuinePath

// newNode is a node that does not run yet.
func newNode(t *testing.T, binary, redis, mode, apiURL, url string) *node {
	t.Helper()
	port := freePort(t)
	n := &node{t: t, binary: binary, dir: t.TempDir(), address: loopback(port), admin: loopback(freePort(t)), link: newLink(t, redis)}
	text := fmt.Sprintf(nodeCaddyfile, n.admin, n.link.address, mode, host, port, url, apiURL, rotateEvery, rotateEvery)
	if err := os.WriteFile(filepath.Join(n.dir, "Caddyfile"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return n
}

// run starts the node.
func (n *node) run() {
	n.t.Helper()
	cmd := exec.Command(n.binary, "run", "--config", filepath.Join(n.dir, "Caddyfile"))
	cmd.Env = append(os.Environ(), "TELEGRAM_BOT_TOKEN="+botToken,
		"XDG_DATA_HOME="+filepath.Join(n.dir, "data"), "XDG_CONFIG_HOME="+filepath.Join(n.dir, "config"))
	n.process = startProcess(n.t, cmd, func([]byte) {})
}

// start runs the node, and returns once it can judge requests.
func (n *node) start() {
	n.t.Helper()
	n.run()
	n.awaitReady()
}

func (n *node) awaitReady() {
	n.t.Helper()
	eventually(n.t, n.address+" is ready", func() bool {
		resp, err := http.Get("http://" + n.admin + "/telegram_webhook/ready")
		return err == nil && resp.Body.Close() == nil && resp.StatusCode == http.StatusOK
	})
}

// status is the state of the node's webhook.
func (n *node) status() (s status.Webhook) {
	n.t.Helper()
	id, _, _ := strings.Cut(botToken, ":")
	resp, err := http.Get("http://" + n.admin + "/telegram_webhook/" + id)
	if err != nil {
		n.t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&s); err != nil {
		n.t.Fatal(err)
	}
	return s
}

// redisServer is a Redis that keeps what it had when save was called.
type redisServer struct {
	t       *testing.T
	dir     string
	port    int
	address string
	client  *redis.Client
	process *process
}

func startRedis(t *testing.T) *redisServer {
	t.Helper()
	r := &redisServer{t: t, dir: t.TempDir(), port: freePort(t)}
	r.address = loopback(r.port)
	r.client = redis.NewClient(&redis.Options{Addr: r.address})
	t.Cleanup(func() { _ = r.client.Close() })
	r.start()
	return r
}

func (r *redisServer) start() {
	r.t.Helper()
	cmd := exec.Command("redis-server", "--bind", "127.0.0.1", "--port", fmt.Sprint(r.port), "--dir", r.dir, "--save", "", "--appendonly", "no")
	r.process = startProcess(r.t, cmd, func([]byte) {})
	eventually(r.t, "Redis answers", func() bool { return r.client.Ping(r.t.Context()).Err() == nil })
}

func (r *redisServer) save() {
	r.t.Helper()
	if err := r.client.Save(r.t.Context()).Err(); err != nil {
		r.t.Fatal(err)
	}
}

// condition is how a link is.
type condition int

const (
	open    condition = iota
	refused           // connections are closed at once
	silent            // nothing passes, and nothing is closed
)

// link is a node's way to Redis.
type link struct {
	address string

	mu        sync.Mutex
	condition condition
	changed   chan struct{} // closed at the next change
	conns     map[net.Conn]bool
}

func newLink(t *testing.T, to string) *link {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &link{address: listener.Addr().String(), conns: make(map[net.Conn]bool), changed: make(chan struct{})}
	t.Cleanup(func() {
		_ = listener.Close()
		l.set(refused)
	})
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go l.carry(conn, to)
		}
	}()
	return l
}

// set changes the condition, and ends the connections unless they are to be silent.
func (l *link) set(c condition) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.condition = c
	close(l.changed)
	l.changed = make(chan struct{})
	if c != silent {
		for conn := range l.conns {
			_ = conn.Close()
		}
	}
}

// pass waits while the link is silent.
func (l *link) pass() (ok bool) {
	for {
		l.mu.Lock()
		c, changed := l.condition, l.changed
		l.mu.Unlock()
		if c != silent {
			return c == open
		}
		<-changed
	}
}

func (l *link) carry(conn net.Conn, to string) {
	defer conn.Close()
	l.mu.Lock()
	l.conns[conn] = true
	l.mu.Unlock()
	defer func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.conns, conn)
	}()
	if !l.pass() {
		return
	}
	server, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	defer server.Close()
	go func() {
		defer conn.Close()
		l.copy(conn, server)
	}()
	l.copy(server, conn)
}

func (l *link) copy(to, from net.Conn) {
	b := make([]byte, 32<<10)
	for {
		n, err := from.Read(b)
		if n > 0 {
			if !l.pass() {
				return
			}
			if _, err := to.Write(b[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}
