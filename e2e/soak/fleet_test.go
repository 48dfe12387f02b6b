package soak

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"testing"
	"time"

	"github.com/caddy-telegram/telegramwebhook/integration/caddytest"
	"github.com/caddy-telegram/telegramwebhook/internal/telegramtest"
)

const (
	soakNodes   = 3
	soakGrace   = 3 * time.Second // of the secret before
	soakProxy   = "127.0.0.9"     // a trusted one
	soakPatient = 5 * time.Second // how long Telegram waits for an answer
)

// soakNode is a node with all that its processes have written. The first one is
// never killed; the last one logs at DEBUG.
type soakNode struct {
	*caddytest.Process
	admin, port int
	generation  int
	written     []*caddytest.Output // of the processes that are gone
}

func startSoak(t *testing.T, seed uint64) *soak {
	s := &soak{t: t, seed: seed, root: caddytest.StorageFolder(t), known: newKnownSecrets(), befallen: make(map[string]int)}
	s.forged.init()
	s.api = telegramtest.NewAPI(telegramtest.APIOptions{
		Tokens: []string{caddytest.BotToken}, AllowPort: true, AllowReserved: true,
		Sender: telegramtest.Options{
			After:       func(d time.Duration) <-chan time.Time { return time.After(d / 50) },
			OnAttempt:   s.attempt,
			ReadTimeout: soakPatient,
			IdleTimeout: 2 * time.Second,
			Seed:        seed,
		},
	})
	var stop func()
	s.telegram, stop = s.api.Start()
	t.Cleanup(stop)
	s.bot = startSoakBot(s)
	for range soakNodes {
		s.nodes = append(s.nodes, &soakNode{admin: caddytest.FreePort(t), port: caddytest.FreePort(t)})
	}
	s.public = s.balance()
	for _, n := range s.nodes { // one after the other: Caddy's CA is made only once
		n.Process = caddytest.Start(t, s.config(n, 0))
	}
	caddytest.WaitUntil(t, "the webhook is registered", func() bool { return s.api.Webhook(caddytest.BotToken).URL != "" })
	s.record = caddytest.SecretRecord(t, s.root)
	return s
}

// config has everything on. The generation makes one differ from the next.
func (s *soak) config(n *soakNode, generation int) string {
	debugging := ""
	if n == s.nodes[soakNodes-1] {
		debugging = "log debugging {\n\t\toutput file debug.log {\n\t\t\troll_disabled\n\t\t}\n\t\tlevel DEBUG\n\t}"
	}
	return fmt.Sprintf(`{
	admin localhost:%d
	storage test_faulty %s
	skip_install_trust
	auto_https disable_redirects
	grace_period 1s
	metrics
	%s
	servers :%[4]d {
		protocols h1 h2
		trusted_proxies static %s
		listener_wrappers {
			telegram_webhook {
				penalty 10 1m 5s
			}
			tls
		}
	}
}
https://localhost:%[4]d {
	log {
		output file access.log {
			roll_disabled
		}
	}
	log_append update {http.telegram_webhook.update_id}
	telegram_webhook {
		bot_token {env.TELEGRAM_TOKEN}
		rotate 5s %[6]s
		url https://%s/
		api %s
		certificate internal
		check 10s
		retry_after %ds
		dedupe 1000
	}
	request_header X-Update {http.telegram_webhook.update_id}
	request_header X-Chat {http.telegram_webhook.chat_id}
	@edited vars {http.telegram_webhook.update_type} edited_message
	reverse_proxy @edited %[10]s {
		header_up X-Edited yes
	}
	reverse_proxy %[10]s
}
`, n.admin, s.root, debugging, n.port, soakProxy, soakGrace, s.public, s.telegram, generation%50+1, s.bot.address)
}

func (s *soak) steady() *soakNode { return s.nodes[0] }

// reload gives a node another configuration.
func (s *soak) reload(n *soakNode) {
	n.generation++
	caddytest.Load(s.t, n.admin, s.config(n, n.generation))
}

// kill ends a node at once, and starts it anew.
func (s *soak) kill(n *soakNode) {
	_ = n.Cmd.Process.Kill()
	_ = n.Cmd.Wait()
	n.written = append(n.written, n.Out)
	n.Start()
	caddytest.WaitUntil(s.t, "the certificate is served", func() bool { return n.Serves(fmt.Sprintf("localhost:%d", n.port)) })
}

// balance is what stands before the nodes: it takes any that is there for each
// connection, without looking into it.
func (s *soak) balance() (address string) {
	l, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { l.Close() })
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			go s.connect(client)
		}
	}()
	return fmt.Sprintf("localhost:%d", l.Addr().(*net.TCPAddr).Port)
}

func (s *soak) connect(client net.Conn) {
	defer client.Close()
	for _, i := range rand.Perm(soakNodes) {
		node, err := net.Dial("tcp4", fmt.Sprintf("127.0.0.1:%d", s.nodes[i].port))
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
