package telegramtest

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddy-telegram/telegramwebhook/internal/telegram"
)

const ok = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

// failing is an answer with a code, and with headers if any are given.
func failing(code int, headers ...string) string {
	return fmt.Sprintf("HTTP/1.1 %d %s\r\n%sContent-Length: 0\r\n\r\n", code, http.StatusText(code), strings.Join(headers, ""))
}

// response is a 200 with a length, headers if any are given, and a body.
func response(body string, headers ...string) string {
	return fmt.Sprintf("HTTP/1.1 200 OK\r\n%sContent-Length: %d\r\n\r\n%s", strings.Join(headers, ""), len(body), body)
}

// pipes is a webhook without a network, so that time may be faked. It answers
// each request with what answer returns for the n-th one; an empty answer
// closes the connection.
type pipes struct {
	answer func(n int, update string) string

	mu       sync.Mutex
	requests []string // the updates, in order of arrival
	times    []time.Time
	secrets  []string
	dialed   []string
	closed   []time.Time
	active   int
	most     int // requests under way at once
}

func (p *pipes) dial(ctx context.Context, network, address string) (net.Conn, error) {
	p.mu.Lock()
	p.dialed = append(p.dialed, network+" "+address)
	p.mu.Unlock()
	near, far := net.Pipe()
	go p.serve(far)
	return near, nil
}

func (p *pipes) serve(c net.Conn) {
	defer c.Close()
	r := bufio.NewReader(c)
	for {
		req, err := http.ReadRequest(r)
		if err != nil {
			break
		}
		body, err := io.ReadAll(req.Body)
		if err != nil {
			break
		}
		p.mu.Lock()
		n := len(p.requests)
		p.requests = append(p.requests, string(body))
		p.times = append(p.times, time.Now())
		p.secrets = append(p.secrets, req.Header.Get(telegram.SecretHeader))
		p.active++
		p.most = max(p.most, p.active)
		p.mu.Unlock()

		answer := p.answer(n, string(body))

		p.mu.Lock()
		p.active--
		p.mu.Unlock()
		if answer == "" {
			return
		}
		if _, err := io.WriteString(c, answer); err != nil {
			break
		}
	}
	p.mu.Lock()
	p.closed = append(p.closed, time.Now())
	p.mu.Unlock()
}

// got returns the updates that have arrived.
func (p *pipes) got() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.requests)
}

// closes returns when connections ended.
func (p *pipes) closes() []time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.closed)
}

// seconds returns when the requests came, counted from a moment.
func (p *pipes) seconds(start time.Time) []float64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	var seconds []float64
	for _, t := range p.times {
		seconds = append(seconds, t.Sub(start).Seconds())
	}
	return seconds
}

// log collects attempts.
type log struct {
	mu       sync.Mutex
	attempts []Attempt
}

func (l *log) add(a Attempt) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.attempts = append(l.attempts, a)
}

func (l *log) all() []Attempt {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.attempts)
}

// pauses returns the pauses in seconds that follow on failed attempts.
func (l *log) pauses() (pauses []float64) {
	for _, a := range l.all() {
		if !a.final() {
			pauses = append(pauses, a.Pause.Seconds())
		}
	}
	return pauses
}

// inChat is a small update in a chat.
func inChat(id, chat int) string {
	return fmt.Sprintf("{\"update_id\":%d,\n\"message\":{\"chat\":{\"id\":%d}}}", id, chat)
}

// start makes a sender to pipes that the test closes.
func start(t *testing.T, p *pipes, w Webhook, o Options) *Sender {
	t.Helper()
	if w.URL == "" {
		w.URL = "http://bot.example.com/hook"
	}
	o.Dial = p.dial
	s := NewSender(w, o)
	t.Cleanup(s.Close)
	return s
}

func wait(t *testing.T, s *Sender) {
	t.Helper()
	if err := s.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func equal[T comparable](t *testing.T, what string, got, want []T) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}
