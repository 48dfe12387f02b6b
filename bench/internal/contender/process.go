package contender

import (
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/caddy-telegram/telegramwebhook/bench/internal/proc"
)

// timeout bounds every wait for a process.
const timeout = 30 * time.Second

// Running is a contender that receives updates.
type Running struct {
	*Contender
	Address string

	setup *Setup
	dir   string
	port  int
	cmd   *exec.Cmd
	ended chan struct{}
}

// Start starts a contender and returns when it answers TLS 1.3 handshakes.
func (c *Contender) Start(s *Setup) (*Running, error) {
	r := &Running{Contender: c, setup: s, dir: s.file(c.Name), port: freePort(), ended: make(chan struct{})}
	r.Address = fmt.Sprintf("127.0.0.1:%d", r.port)
	err := r.start()
	if err == nil {
		err = r.awaitTLS()
	}
	if err != nil {
		r.Stop()
		return nil, fmt.Errorf("%s: %w\n%s", c.Name, err, r.output())
	}
	return r, nil
}

func (r *Running) start() (err error) {
	defer func() {
		if err != nil {
			close(r.ended)
		}
	}()
	if err := r.prepare(r.setup); err != nil {
		return err
	}
	if err := os.MkdirAll(r.dir, 0o700); err != nil {
		return err
	}
	if r.cmd, err = r.command(r); err != nil {
		return err
	}
	out, err := os.Create(filepath.Join(r.dir, "output"))
	if err != nil {
		return err
	}
	defer out.Close()
	r.cmd.Stdout, r.cmd.Stderr = out, out
	if err := r.cmd.Start(); err != nil {
		return err
	}
	go func() {
		_ = r.cmd.Wait()
		close(r.ended)
	}()
	return nil
}

func (r *Running) output() []byte {
	const enough = 4 << 10
	out, _ := os.ReadFile(filepath.Join(r.dir, "output"))
	return out[max(0, len(out)-enough):]
}

var errEnded = errors.New("the process ended")

func (r *Running) awaitTLS() error {
	var err error
	for late := time.Now().Add(timeout); time.Now().Before(late); time.Sleep(20 * time.Millisecond) {
		select {
		case <-r.ended:
			return errEnded
		default:
		}
		var conn *tls.Conn
		conn, err = tls.Dial("tcp4", r.Address, &tls.Config{ServerName: Host, InsecureSkipVerify: true})
		if err != nil {
			continue
		}
		defer conn.Close()
		if state := conn.ConnectionState(); state.Version != tls.VersionTLS13 {
			return fmt.Errorf("speaks %s", tls.VersionName(state.Version))
		}
		return nil
	}
	return err
}

// Stop ends the processes of a contender.
func (r *Running) Stop() {
	if r.cmd == nil || r.cmd.Process == nil {
		return
	}
	_ = r.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-r.ended:
	case <-time.After(timeout):
		_ = r.cmd.Process.Kill()
		<-r.ended
	}
}

// CPU returns the processor time that the contender's processes have used.
func (r *Running) CPU() (time.Duration, error) { return proc.CPU(proc.Tree(r.cmd.Process.Pid)) }

// Memory returns the bytes that the contender's processes hold.
func (r *Running) Memory() (int64, error) { return proc.Memory(proc.Tree(r.cmd.Process.Pid)) }

var (
	portsMu   sync.Mutex
	usedPorts = map[int]bool{}
)

// FreeAddress returns an unused address of the loopback interface.
func FreeAddress() string { return fmt.Sprintf("127.0.0.1:%d", freePort()) }

// freePort returns an unused port of the loopback interface, below the range from
// which the system takes the ports of outgoing connections.
func freePort() int {
	portsMu.Lock()
	defer portsMu.Unlock()
	for {
		port := 10000 + rand.IntN(20000)
		if usedPorts[port] {
			continue
		}
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			continue
		}
		_ = l.Close()
		usedPorts[port] = true
		return port
	}
}
