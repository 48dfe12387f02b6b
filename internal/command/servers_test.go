package command

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/caddy-telegram/telegramwebhook/internal/status"
	"github.com/caddy-telegram/telegramwebhook/internal/telegram"
)

const theSecret = "Kq3v9-Zt_7LwXb2RmYd5HsNc8GfJpQaE"

// serveAdmin starts an admin API and returns its address. GET is answered with the
// file webhooks.json, in which $GATE is replaced, and "-3m" or "18d" by such a time
// from now; with all.json, if it is there and all is asked for; and of ready with
// ready.json, as a refusal if it has an error; of one webhook for an audit with that one and
// a mark. What is to be changed is written to the file
// changes, and answered with refusal.json or removed.json if it is there, or with the first
// webhook. The body of send is written to the file sent, and answered with sent.json.
func serveAdmin(env *testscript.Env) string {
	file := func(name string) string { return path.Join(env.WorkDir, name) }
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		list := "webhooks.json"
		if _, err := os.Stat(file("all.json")); err == nil && r.URL.RawQuery == "all=true" {
			list = "all.json"
		}
		webhooks, err := os.ReadFile(file(list))
		if err != nil {
			http.NotFound(w, r)
			return
		}
		webhooks = bytes.ReplaceAll(ages.ReplaceAllFunc(webhooks, fromNow), []byte("$GATE"), []byte(env.Getenv("GATE")))
		if r.Method == http.MethodGet {
			switch r.RequestURI { // nothing else is asked for
			case "/telegram_webhook/", "/telegram_webhook/?all=true":
				_, _ = w.Write(webhooks)
			case "/telegram_webhook/ready":
				answer, _ := os.ReadFile(file("ready.json"))
				if bytes.Contains(answer, []byte("error")) {
					w.WriteHeader(http.StatusServiceUnavailable)
				}
				_, _ = w.Write(answer)
			default:
				var all []status.Webhook
				_ = json.Unmarshal(webhooks, &all)
				for _, one := range all {
					if r.RequestURI == "/telegram_webhook/"+escapeName(one.Name)+"?audit=true" {
						one.AuditMark = "AUDIT"
						_ = json.NewEncoder(w).Encode(one)
					}
				}
			}
			return
		}
		if answer, err := os.ReadFile(file("removed.json")); err == nil {
			webhooks = answer
		}
		changes, _ := os.ReadFile(file("changes"))
		_ = os.WriteFile(file("changes"), append(changes, r.Method+" "+r.RequestURI+"\n"...), 0o600)
		if refusal, err := os.ReadFile(file("refusal.json")); err == nil {
			w.WriteHeader(http.StatusConflict)
			_, _ = w.Write(refusal)
			return
		}
		if sent, err := os.ReadFile(file("sent.json")); err == nil && strings.HasSuffix(r.URL.Path, "/send") {
			update, _ := io.ReadAll(r.Body)
			_ = os.WriteFile(file("sent"), update, 0o600)
			_, _ = w.Write(sent)
			return
		}
		_, _ = w.Write(bytes.TrimSuffix(bytes.TrimPrefix(bytes.TrimSpace(webhooks), []byte("[")), []byte("]")))
	}))
	env.Defer(server.Close)
	return server.Listener.Addr().String()
}

var ages = regexp.MustCompile(`"-?\d+[md]"`)

func fromNow(age []byte) []byte {
	s := strings.Trim(string(age), `"`)
	n, _ := strconv.Atoi(s[:len(s)-1])
	unit := map[byte]time.Duration{'m': time.Minute, 'd': 24 * time.Hour}[s[len(s)-1]]
	return []byte(time.Now().Add(time.Duration(n) * unit).Format(`"` + time.RFC3339Nano + `"`))
}

// serveAnswers starts a server and returns its url. It writes each request, as it
// came, to the file request, and answers with the file that the path names, if there
// is one. An empty file is no answer.
func serveAnswers(env *testscript.Env) string {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		env.T().Fatal(err)
	}
	env.Defer(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go answerFrom(env.WorkDir, conn)
		}
	}()
	return "http://" + l.Addr().String()
}

func answerFrom(folder string, conn net.Conn) {
	defer conn.Close()
	var raw bytes.Buffer
	r, err := http.ReadRequest(bufio.NewReader(io.TeeReader(conn, &raw)))
	if err != nil {
		return
	}
	_, _ = io.Copy(io.Discard, r.Body)
	_ = os.WriteFile(path.Join(folder, "request"), bytes.ReplaceAll(raw.Bytes(), []byte("\r\n"), []byte("\n")), 0o600)
	answer, err := os.ReadFile(path.Join(folder, "answers", path.Base(r.URL.Path)))
	if err != nil {
		answer = []byte("HTTP/1.1 200 OK\nContent-Length: 0\n\n")
	}
	head, body, _ := bytes.Cut(answer, []byte("\n\n"))
	if len(head) > 0 {
		_, _ = conn.Write(append(bytes.ReplaceAll(head, []byte("\n"), []byte("\r\n")), "\r\n\r\n"+string(body)...))
	}
}

// serveGate starts a webhook whose certificate nobody trusts, and returns its url.
func serveGate(env *testscript.Env) string {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Strict-Transport-Security", "max-age=31536000")
		switch {
		case r.URL.Path != "/telegram":
			w.WriteHeader(http.StatusNotFound)
		case r.Header.Get(telegram.SecretHeader) != theSecret:
			w.WriteHeader(http.StatusForbidden)
		}
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // of handshakes that are meant to fail
	server.StartTLS()
	env.Defer(server.Close)
	return server.URL + "/telegram"
}
