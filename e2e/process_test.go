package e2e

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience bounds every wait for something that must happen.
const patience = 30 * time.Second

// process is a program that a test has started. It is gone when the test ends.
type process struct {
	t     *testing.T
	cmd   *exec.Cmd
	stdin io.WriteCloser // held open: the bots end with it
	out   *lines
	ended chan struct{} // closed once it has ended and all it wrote was read
}

// startProcess runs cmd. Each line that it writes is given to line.
func startProcess(t *testing.T, cmd *exec.Cmd, line func([]byte)) *process {
	t.Helper()
	p := &process{t: t, cmd: cmd, out: &lines{line: line}, ended: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = p.out, p.out
	var err error
	if p.stdin, err = cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.ended)
		_ = cmd.Wait()
		_ = p.stdin.Close()
	}()
	t.Cleanup(func() {
		p.end(syscall.SIGTERM)
		if p.out.contain("DATA RACE") {
			t.Error("data race in ", cmd.Path)
		}
		if t.Failed() {
			t.Logf("the last that %s wrote:\n%s", cmd.Path, p.out.tail())
		}
	})
	return p
}

// end sends a signal and waits until the process is gone.
func (p *process) end(signal syscall.Signal) {
	p.t.Helper()
	_ = p.cmd.Process.Signal(signal) // fails if it has ended already
	p.awaitEnd(signal)
}

// awaitEnd waits until the process is gone, after a signal.
func (p *process) awaitEnd(signal syscall.Signal) {
	p.t.Helper()
	select {
	case <-p.ended:
	case <-time.After(patience):
		_ = p.cmd.Process.Kill()
		p.t.Errorf("%s did not end by signal %v", p.cmd.Path, signal)
		<-p.ended
	}
}

// lines takes what a process writes, line by line, and keeps it.
type lines struct {
	line func([]byte)

	mu      sync.Mutex
	kept    bytes.Buffer
	partial []byte
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.kept.Write(b)
	l.partial = append(l.partial, b...)
	for {
		line, rest, ok := bytes.Cut(l.partial, []byte("\n"))
		if !ok {
			return len(b), nil
		}
		l.line(line)
		l.partial = rest
	}
}

func (l *lines) contain(text string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return bytes.Contains(l.kept.Bytes(), []byte(text))
}

// tail returns as much as helps to see why a test failed.
func (l *lines) tail() []byte {
	const enough = 8 << 10
	l.mu.Lock()
	defer l.mu.Unlock()
	all := l.kept.Bytes()
	return bytes.Clone(all[max(0, len(all)-enough):])
}

// eventually returns once something is so, and fails the test if it never is.
func eventually(t *testing.T, what string, so func() bool) {
	t.Helper()
	within(t, patience, what, so)
}

// within is eventually for what may take longer.
func within(t *testing.T, limit time.Duration, what string, so func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	late := time.After(limit)
	for !so() {
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// freePort returns a port of loopback that nobody uses. It is none of those that
// the system gives to outgoing connections: one of these could take it while the
// process that listens there is away.
func freePort(t *testing.T) int {
	t.Helper()
	for range 100 {
		port := 10000 + rand.IntN(20000)
		if l, err := net.Listen("tcp", loopback(port)); err == nil {
			_ = l.Close()
			return port
		}
	}
	t.Fatal("no free port")
	return 0
}

// listens reports whether somebody takes connections at that address.
func listens(address string) bool {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return false
	}
	return conn.Close() == nil
}

func loopback(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }
