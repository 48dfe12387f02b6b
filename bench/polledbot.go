package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/caddy-telegram/telegramwebhook/bench/internal/contender"
	"github.com/caddy-telegram/telegramwebhook/internal/telegramtest"
)

// polledBot is a running bot of the case poll, with a Bot API of its own.
type polledBot struct {
	*way
	api     *polledAPI
	send    func(update []byte)
	pending func() int
	stdin   io.Writer
	out     *bufio.Reader
	last    int64 // update_id
	ends    []func() error
}

// handling is what the bot reports of an update. The times are in ms since 1970.
type handling struct {
	ID           int64
	Began, Ended float64
}

// startPolled starts the bot, the gate if there is one, and what sends the updates.
func (r *run) startPolled(w *way) (b *polledBot, err error) {
	b = &polledBot{way: w, api: newPolledAPI()}
	if w.away {
		b.api.delay = awayTime
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, b.stop())
		}
	}()
	server := httptest.NewServer(b.api)
	b.ends = append(b.ends, func() error { server.CloseClientConnections(); server.Close(); b.api.Close(); return nil })
	b.send = func(update []byte) { b.api.Send(contender.Token, update) }
	b.pending = func() int { return b.api.Sender(contender.Token).Stats().Pending }

	address := ""
	if w.gate != "" {
		address = contender.FreeAddress()
	}
	if err := b.start(r.setup, address, server.URL); err != nil || w.gate == "" {
		return b, err
	}
	setup, err := r.setup.For(address, server.URL)
	if err != nil {
		return b, err
	}
	gate := *contender.Find(w.gate)
	gate.Name = "of-" + w.Name // its folder
	running, err := gate.Start(setup)
	if err != nil {
		return b, err
	}
	b.ends = append(b.ends, func() error { running.Stop(); return nil })
	if w.webhook {
		sender := telegramtest.NewSender(
			telegramtest.Webhook{URL: running.URL("/"), Secret: contender.Secret, MaxConnections: connections, RootCAs: running.TelegramTLS().RootCAs},
			telegramtest.Options{Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, network, running.Address)
			}})
		b.ends = append(b.ends, func() error { sender.Close(); return nil })
		b.send, b.pending = sender.Send, func() int { return sender.Stats().Pending }
	}
	return b, nil
}

// start starts the bot, which listens at the address unless it is empty.
func (b *polledBot) start(s *contender.Setup, address, api string) error {
	if err := s.NPMInstall(); err != nil {
		return err
	}
	cmd := exec.Command("node", filepath.Join(s.Source, "bots", "poll.js"))
	cmd.Env = append(os.Environ(), "NODE_ENV=production", "BOT_TOKEN="+contender.Token, "BOT_API="+api)
	if address != "" {
		_, port, _ := net.SplitHostPort(address)
		cmd.Env = append(cmd.Env, "BOT_PORT="+port)
	}
	if b.answers {
		cmd.Env = append(cmd.Env, "BOT_ANSWERS=1")
	}
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	b.stdin, b.out = stdin, bufio.NewReader(stdout)
	if err := cmd.Start(); err != nil {
		return err
	}
	b.ends = append(b.ends, func() error { _ = stdin.Close(); return cmd.Wait() })
	return b.awaitListening(address)
}

func (b *polledBot) awaitListening(address string) error {
	if address == "" {
		return nil
	}
	for late := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			return conn.Close()
		}
		if time.Now().After(late) {
			return fmt.Errorf("the bot does not listen: %w", err)
		}
	}
}

// stop ends what was started, the last first.
func (b *polledBot) stop() (err error) {
	for i := len(b.ends) - 1; i >= 0; i-- {
		err = errors.Join(err, b.ends[i]())
	}
	b.ends = nil
	return err
}

// polledAPI is a Bot API that keeps when updates happened and when getUpdates first
// returned them.
type polledAPI struct {
	*telegramtest.API
	delay time.Duration // of each answer

	mu             sync.Mutex
	sent, answered map[int64]time.Time // by update_id
}

func newPolledAPI() *polledAPI {
	a := &polledAPI{API: telegramtest.NewAPI(telegramtest.APIOptions{Local: true}), sent: make(map[int64]time.Time), answered: make(map[int64]time.Time)}
	a.Fail(func(method string, _ map[string]string) *telegramtest.Fault {
		f := &telegramtest.Fault{Delay: a.delay}
		if strings.EqualFold(method, "sendMessage") {
			f.Header = http.Header{"Content-Type": {"application/json"}}
			f.Body = []byte(`{"ok":true,"result":{"message_id":1,"date":1767225600,"chat":{"id":1,"type":"private"}}}`)
		}
		return f
	})
	return a
}

func (a *polledAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !strings.HasSuffix(r.URL.Path, "/getUpdates") {
		a.API.ServeHTTP(w, r)
		return
	}
	answer := httptest.NewRecorder()
	a.API.ServeHTTP(answer, r)
	a.fetched(answer.Body.Bytes())
	maps.Copy(w.Header(), answer.Header())
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes())
}

func (a *polledAPI) sending(id int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.sent[id] = time.Now()
}

func (a *polledAPI) fetched(answer []byte) {
	now := time.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	for {
		_, rest, ok := bytes.Cut(answer, []byte(`"update_id":`)) // decoding would slow the machine down
		if !ok {
			return
		}
		number, _, _ := bytes.Cut(rest, []byte(","))
		if id, err := strconv.ParseInt(string(number), 10, 64); err == nil && a.answered[id].IsZero() {
			a.answered[id] = now
		}
		answer = rest
	}
}

// times returns when updates happened and when they were fetched.
func (a *polledAPI) times() (sent, answered map[int64]time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return maps.Clone(a.sent), maps.Clone(a.answered)
}
