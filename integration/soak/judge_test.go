package soak

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/caddy-telegram/telegramwebhook/integration/caddytest"
)

// judge compares what was promised with what happened.
func (s *soak) judge(before, after vitals) {
	t, sent := s.t, s.traffic.sent.Load()
	lost, repeated := s.works(sent)
	stats := s.api.Sender(caddytest.BotToken).Stats()
	t.Logf("updates: %d sent, %d lost; the bot did the work of %d more than once, and Telegram took %d answers", sent, lost, repeated, stats.Calls)
	t.Logf("attempts that came again: %d cut off, %d answered 403 (%d of them long after a fault of storage), %d put off with 503, %d answered otherwise by the bot",
		s.traffic.cut.Load(), s.traffic.refused.Load(), s.traffic.sighted.Load(), s.traffic.putOff.Load(), s.traffic.other.Load())
	for _, kind := range kindsOfForgery {
		n := s.forged.answered[kind].Load()
		t.Logf("forgeries, %s: %d", kind, n)
		if n == 0 {
			t.Errorf("no forgery of the kind %s was answered", kind)
		}
	}
	t.Logf("forgeries: %d through; %d had no answer; %d connections of floods; %s dropped by the steady node", s.traffic.through.Load(),
		s.forged.unanswered.Load(), s.forged.flood.Load(), s.dropped("penalty"))
	t.Logf("%d rotations, %v", s.known.changes-1, s.befallen)
	t.Logf("the steady node: %s before, %s after", before, after)
	if lost > 0 || s.traffic.through.Load() > 0 || int64(stats.Delivered) < sent || stats.Expired > 0 {
		t.Errorf("the promise is broken: %+v", stats)
	}
	if s.known.changes < 2 || s.dropped("penalty") == "0" {
		t.Error("not all that was to happen has happened")
	}
	s.search()
}

// works counts the updates of which the bot has not done the work, or repeatedly.
func (s *soak) works(sent int64) (lost, repeated int) {
	for id := int64(1); id <= sent; id++ {
		switch counted(&s.traffic.works, id) {
		case 0:
			lost++
		case 1:
		default:
			repeated++
		}
	}
	return lost, repeated
}

func counted(m *sync.Map, id int64) int64 {
	if n, ok := m.Load(id); ok {
		return n.(*atomic.Int64).Load()
	}
	return 0
}

// metric is the value of one of the steady node's metrics; empty if there is none.
func (s *soak) metric(name string) string {
	for line := range strings.Lines(caddytest.Metrics(s.t, s.steady().admin)) {
		if value, ok := strings.CutPrefix(line, "caddy_telegram_webhook_"+name+" "); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

func (s *soak) dropped(reason string) string {
	return s.metric(`dropped_connections_total{reason="` + reason + `"}`)
}

// search looks for secrets and the token in all that any process has written or
// told, and in storage, but for the records where they belong.
func (s *soak) search() {
	secrets := s.secrets()
	size := 0
	look := func(where string, content []byte) {
		size += len(content)
		for _, piece := range secrets {
			if i := bytes.Index(content, []byte(piece)); i >= 0 {
				s.t.Errorf("%s holds a secret:\n%s", where, content[max(0, i-500):min(len(content), i+100)])
				return
			}
		}
	}
	for _, n := range s.nodes {
		for _, path := range []string{"/config/", "/metrics", "/telegram_webhook/", "/debug/pprof/goroutine?debug=2", "/debug/pprof/heap?debug=1"} {
			look("GET "+path, []byte(caddytest.Get(s.t, n.admin, path)))
		}
		n.Stop()
		for _, out := range append(n.written, n.Out) {
			look("the output", []byte(out.String()))
			s.complain(out.String())
		}
	}
	for _, dir := range []string{s.nodes[0].Dir, s.nodes[1].Dir, s.nodes[2].Dir, s.root} {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || s.belongs(path) {
				return err
			}
			content, err := os.ReadFile(path)
			look(path, content)
			return err
		})
		if err != nil {
			s.t.Error(err)
		}
	}
	s.t.Logf("%d MiB searched for %d secrets", size>>20, len(secrets))
	if content, _ := os.ReadFile(s.nodes[soakNodes-1].File("debug.log")); !bytes.Contains(content, []byte("upstream roundtrip")) {
		s.t.Error("no node has logged at DEBUG")
	}
}

// complain tells of what a process must never write.
func (s *soak) complain(output string) {
	for _, never := range []string{"panic in the registrar", "fatal error: ", "goroutine 1 ["} {
		if _, after, found := strings.Cut(output, never); found {
			s.t.Errorf("%s in the output:\n%.2000s", never, after)
		}
	}
	for report := range strings.SplitSeq(output, "==================") {
		// Caddy 2.11.9 copies its app tls for the origin of an event while it starts.
		if strings.Contains(report, "DATA RACE") && !strings.Contains(report, "caddytls.(*TLS).CaddyModule()") {
			s.t.Errorf("in the output:\n%s", report)
		}
	}
}

// belongs reports whether a file is a record of secrets, or was about to become
// one when its node was killed.
func (s *soak) belongs(path string) bool {
	if filepath.Dir(path) != filepath.Dir(s.record) {
		return false
	}
	name := filepath.Base(path)
	_, err := strconv.Atoi(name)
	return err == nil || strings.HasPrefix(name, "secret")
}

// secrets is the middle of all that must be found nowhere, so that a part is
// found as well.
func (s *soak) secrets() (pieces []string) {
	all := s.known.all
	for _, call := range s.api.Calls("setWebhook") {
		if value := call.Params["secret_token"]; value != "" {
			all[value] = true
		}
	}
	for value := range all {
		pieces = append(pieces, value[10:30])
	}
	_, token, _ := strings.Cut(caddytest.BotToken, ":")
	return append(pieces, token)
}
