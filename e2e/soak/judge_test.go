package soak

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/caddy-telegram/telegramwebhook/integration/caddytest"
)

// outcome is what came of the soak.
type outcome struct {
	sent, delivered      int64 // updates, by Telegram's account
	lost, expired        int   // of which the bot has not done the work; given up by Telegram
	through              int64 // forgeries that reached the bot
	answered             map[string]int64
	rotations            int
	dropped              string // connections of forgers, by the steady node's metric
	repeated, unanswered int64
}

// faults compares what was promised, and what was to happen, with what happened.
func (o outcome) faults() (faults []string) {
	if o.lost > 0 || o.expired > 0 || o.delivered < o.sent {
		faults = append(faults, fmt.Sprintf("of %d updates %d were lost, %d given up and %d delivered", o.sent, o.lost, o.expired, o.delivered))
	}
	if o.through > 0 {
		faults = append(faults, fmt.Sprintf("%d forgeries have reached the bot", o.through))
	}
	for _, kind := range kindsOfForgery {
		if o.answered[kind] == 0 {
			faults = append(faults, "no forgery was answered of the kind "+kind)
		}
	}
	if o.rotations < 1 {
		faults = append(faults, "the secret was not rotated")
	}
	if o.dropped == "" || o.dropped == "0" {
		faults = append(faults, "no connection of a forger was dropped")
	}
	return faults
}

// judge reports what came of the soak.
func (s *soak) judge(before, after vitals) {
	t, stats := s.t, s.api.Sender(caddytest.BotToken).Stats()
	o := outcome{
		sent: s.traffic.sent.Load(), delivered: int64(stats.Delivered), expired: int(stats.Expired), through: s.traffic.through.Load(),
		answered: make(map[string]int64), rotations: s.known.changes - 1, dropped: s.dropped("penalty"), unanswered: s.forged.unanswered.Load(),
	}
	o.lost, o.repeated = s.works(o.sent)
	for _, kind := range kindsOfForgery {
		o.answered[kind] = s.forged.answered[kind].Load()
	}
	t.Logf("updates: %d sent, %d lost; the bot did the work of %d more than once, and Telegram took %d answers", o.sent, o.lost, o.repeated, stats.Calls)
	t.Logf("attempts that came again: %d cut off, %d answered 403 (%d of them long after a fault of storage), %d put off with 503, %d answered otherwise by the bot",
		s.traffic.cut.Load(), s.traffic.refused.Load(), s.traffic.sighted.Load(), s.traffic.putOff.Load(), s.traffic.other.Load())
	t.Logf("forgeries: %v answered, %d through; %d had no answer; %d connections of floods; %s dropped by the steady node",
		o.answered, o.through, o.unanswered, s.forged.flood.Load(), o.dropped)
	t.Logf("%d rotations, %v", o.rotations, s.befallen)
	t.Logf("the steady node: %s before, %s after", before, after)
	for _, fault := range o.faults() {
		t.Error(fault)
	}
	s.search()
}

// works counts the updates of which the bot has not done the work, or repeatedly.
func (s *soak) works(sent int64) (lost int, repeated int64) {
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
		if excerpt := findSecret(content, secrets); excerpt != "" {
			s.t.Errorf("%s holds a secret:\n%s", where, excerpt)
		}
	}
	for _, n := range s.nodes {
		for _, path := range []string{"/config/", "/metrics", "/telegram_webhook/", "/debug/pprof/goroutine?debug=2", "/debug/pprof/heap?debug=1"} {
			look("GET "+path, []byte(caddytest.Get(s.t, n.admin, path)))
		}
		n.Stop()
		for _, out := range append(n.written, n.Out) {
			look("the output", []byte(out.String()))
			for _, complaint := range complaints(out.String()) {
				s.t.Error(complaint)
			}
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

// findSecret returns where one of the secrets is, and nothing if none is there.
func findSecret(content []byte, secrets []string) (excerpt string) {
	for _, piece := range secrets {
		if i := bytes.Index(content, []byte(piece)); i >= 0 {
			return string(content[max(0, i-500):min(len(content), i+100)])
		}
	}
	return ""
}

// complaints are what a process must never write.
func complaints(output string) (found []string) {
	for _, never := range []string{"panic in the registrar", "fatal error: ", "goroutine 1 ["} {
		if _, after, is := strings.Cut(output, never); is {
			found = append(found, fmt.Sprintf("%s in the output:\n%.2000s", never, after))
		}
	}
	for report := range strings.SplitSeq(output, "==================") {
		// Caddy 2.11.9 copies its app tls for the origin of an event while it starts.
		if strings.Contains(report, "DATA RACE") && !strings.Contains(report, "caddytls.(*TLS).CaddyModule()") {
			found = append(found, "in the output:\n"+report)
		}
	}
	return found
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
		pieces = append(pieces, middle(value))
	}
	_, token, _ := strings.Cut(caddytest.BotToken, ":")
	return append(pieces, token)
}

// middle is a part of a secret, by which a part of it is found as well.
func middle(secret string) string { return secret[10:30] }
