package caddytest

import (
	"bytes"
	"strings"
	"sync"
	"testing"
	"time"
)

// Patience bounds every wait for something that must happen.
const Patience = time.Minute

// WaitUntil asks again and again until something is so.
func WaitUntil(t testing.TB, what string, is func() bool) {
	t.Helper()
	timeout, tick := time.After(Patience), time.NewTicker(20*time.Millisecond)
	defer tick.Stop()
	for !is() {
		select {
		case <-tick.C:
		case <-timeout:
			t.Fatalf("not in time: %s", what)
		}
	}
}

// Within receives what must come.
func Within[T any](t testing.TB, what string, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(Patience):
		t.Fatalf("not in time: %s", what)
		panic("unreachable")
	}
}

// Output is what a process writes, and can be waited for.
type Output struct {
	mu      sync.Mutex
	buf     bytes.Buffer
	changed chan struct{}
}

// NewOutput is an Output that holds nothing.
func NewOutput() *Output { return &Output{changed: make(chan struct{})} }

func (o *Output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	close(o.changed)
	o.changed = make(chan struct{})
	return o.buf.Write(b)
}

func (o *Output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// Wait returns when the text has been written.
func (o *Output) Wait(t testing.TB, text string) {
	t.Helper()
	timeout := time.After(Patience)
	for {
		o.mu.Lock()
		found, changed := strings.Contains(o.buf.String(), text), o.changed
		o.mu.Unlock()
		if found {
			return
		}
		select {
		case <-changed:
		case <-timeout:
			t.Fatalf("no %q in the output:\n%s", text, o)
		}
	}
}
