package deploy

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// inNamespace is set for the part of TestNftables that runs in a network of its own.
const inNamespace = "TEST_IN_NETWORK_NAMESPACE"

// The kernel takes nftables.conf and does what it says: an address that opens too
// many connections is cut off from new ones, and nobody else is. It runs in a
// network namespace, so that the machine's own rules stay as they are.
func TestNftables(t *testing.T) {
	if os.Getenv(inNamespace) != "" {
		testNftables(t)
		return
	}
	args := []string{"unshare", "--net", "env", inNamespace + "=1", os.Args[0], "-test.run=^TestNftables$", "-test.v"}
	if os.Getuid() != 0 {
		args = append([]string{"sudo", "-n"}, args...)
	}
	if out, err := exec.CommandContext(t.Context(), args[0], args[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

func testNftables(t *testing.T) {
	rules := filepath.Join(examples, "flood/nftables.conf")
	for _, command := range [][]string{
		{"ip", "link", "set", "lo", "up"},
		{"ip", "address", "add", "149.154.160.1/32", "dev", "lo"},
		{"ip", "address", "add", "2001:db8:1::1/128", "dev", "lo", "nodad"},
		{"ip", "address", "add", "2001:db8:1::2/128", "dev", "lo", "nodad"},
		{"ip", "address", "add", "2001:db8:2::1/128", "dev", "lo", "nodad"},
		{"nft", "--check", "--file", rules},
		{"nft", "--file", rules},
		{"nft", "--file", rules}, // again, as after a change
	} {
		if out, err := exec.Command(command[0], command[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", command, err, out)
		}
	}
	for server, who := range map[string]struct{ flooder, neighbor, other, exempt string }{
		"127.0.0.1:443":       {"127.0.0.5", "127.0.0.5", "127.0.0.6", "149.154.160.1"},
		"[2001:db8:2::1]:443": {"2001:db8:1::1", "2001:db8:1::2", "2001:db8:2::1", ""},
		"127.0.0.1:8443":      {"127.0.0.7", "127.0.0.7", "127.0.0.8", "149.154.160.1"},
		"127.0.0.1:444":       {"", "", "127.0.0.5", "127.0.0.5"}, // not the webhook's port
	} {
		l, err := net.Listen("tcp", server)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		go echo(l)
		dial := func(from string) (net.Conn, error) {
			d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: 500 * time.Millisecond}
			return d.Dial("tcp", server)
		}
		if who.exempt != "" {
			for i := range 300 {
				c, err := dial(who.exempt)
				if err != nil {
					t.Fatalf("%s, connection %d from %s: %v", server, i+1, who.exempt, err)
				}
				c.Close()
			}
		}
		if who.flooder != "" {
			open, err := dial(who.flooder)
			if err != nil {
				t.Fatal(err)
			}
			defer open.Close()
			made := 1
			for ; made < 300; made++ {
				c, err := dial(who.flooder)
				if err != nil {
					break
				}
				c.Close()
			}
			if made < 100 || made > 150 {
				t.Errorf("%s: cut off after %d connections, want a few more than 100", server, made)
			}
			if c, err := dial(who.neighbor); err == nil {
				c.Close()
				t.Errorf("%s: %s may connect", server, who.neighbor)
			}
			_ = open.SetDeadline(time.Now().Add(10 * time.Second))
			if _, err := fmt.Fprint(open, "x"); err != nil {
				t.Error(err)
			} else if _, err := io.ReadFull(open, make([]byte, 1)); err != nil {
				t.Errorf("%s: the open connection is cut: %v", server, err)
			}
		}
		c, err := dial(who.other)
		if err != nil {
			t.Errorf("%s: another address, %s: %v", server, who.other, err)
			continue
		}
		c.Close()
	}
}

func echo(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			_, _ = io.Copy(c, c)
		}()
	}
}
