package command

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/caddy-telegram/telegramwebhook/internal/samples"
	"github.com/caddy-telegram/telegramwebhook/internal/wire"
)

const (
	ok     = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
	update = "{\"update_id\":471961782,\n\"message\":{\"text\":\"hi\"}}"
)

// What is on the wire is what TELEGRAM.md says, to the byte.
func TestSendWire(t *testing.T) {
	cert, pem := selfSigned(t)
	s := serve(t, &cert, ok)
	t.Setenv(secretEnv, rightSecret)
	got := command(t, "", "send", "--ca", file(t, "ca.pem", pem), "--update", file(t, "update.json", update+"\n"), "https://"+s.address+"/hook?x=1")
	want := "sent     48 bytes to https://" + s.address + "/hook?x=1\n" +
		"secret   sent\n" +
		"answer   200 OK\n" +
		"headers  Content-Length: 0\n" +
		"result   delivered.\n"
	if got.out != want || got.err != "" || got.failure != "" {
		t.Errorf("got %+v\nwant %s", got, want)
	}
	request := "POST /hook?x=1 HTTP/1.1\r\n" +
		"Host: " + s.address + "\r\n" +
		"X-Telegram-Bot-Api-Secret-Token: " + rightSecret + "\r\n" +
		"Content-Type: application/json\r\n" +
		"Content-Length: 48\r\n" +
		"Connection: keep-alive\r\n" +
		"Accept-Encoding: gzip, deflate\r\n" +
		"\r\n" + update
	if r := s.got(); r != request {
		t.Fatalf("got\n%q\nwant\n%q", r, request)
	}
	if state := <-s.states; state.NegotiatedProtocol != "" || state.Version < tls.VersionTLS12 {
		t.Errorf("ALPN %q, TLS %x", state.NegotiatedProtocol, state.Version)
	}
}

// Whatever the answer, its meaning and the exit status fit.
func TestSendAnswers(t *testing.T) {
	const again = "Telegram sends the update again at once"
	for _, test := range []struct {
		name, answer string
		shown        []string
		failure      string
	}{
		{"delivered", ok, []string{"delivered."}, ""},
		{"a call", "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 24\r\n\r\n{\"method\":\"sendMessage\"}",
			[]string{"Content-Type: application/json", `{"method":"sendMessage"}`, "delivered, and Telegram runs the sendMessage"}, ""},
		{"503", "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nContent-Length: 0\r\n\r\n",
			[]string{"503 Service Unavailable", "Retry-After: 5", "in 5 seconds"}, "exiting with status 2"},
		{"500", "HTTP/1.1 500 No\r\nContent-Length: 2\r\n\r\nhi", []string{"500 No", "body     hi", again}, "exiting with status 2"},
		{"403", "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", []string{"403 Forbidden", again}, "exiting with status 2"},
		{"302", "HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n", []string{"Location: /x", "does not follow"}, "exiting with status 2"},
		{"103", "HTTP/1.1 103 Early Hints\r\n\r\n" + ok, []string{"103 Early Hints", "final answer"}, "exiting with status 2"},
		{"410", "HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n", []string{"removes the webhook"}, "exiting with status 3"},
		{"br", "HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 1\r\n\r\nx", []string{"does not read the Content-Encoding br"}, "exiting with status 2"},
		{"closed", "", []string{"closed without a whole answer"}, "exiting with status 2"},
		{"lines", "HTTP/1.1 500 No\r\nContent-Length: 4\r\n\r\na\n\nb", []string{"body     a\n         \n         b\n"}, "exiting with status 2"},
		{"a terminal's codes", "HTTP/1.1 500 \x1b[2J\r\nServer: \x1b[1m\r\nContent-Length: 6\r\n\r\na\x1b]0;x", []string{`500 \x1b[2J`, `Server: \x1b[1m`, `a\x1b]0;x`}, "exiting with status 2"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := serve(t, nil, test.answer)
			got := command(t, "", "send", "http://"+s.address)
			for _, shown := range test.shown {
				if !strings.Contains(got.out, shown) {
					t.Errorf("no %q in\n%s", shown, got.out)
				}
			}
			if got.failure != test.failure || got.err != "" || strings.Contains(got.out, "\x1b") {
				t.Errorf("got %+v", got)
			}
		})
	}
}

func TestSendSecret(t *testing.T) {
	header := "\r\n" + wire.SecretHeader + ": " + rightSecret + "\r\n"
	fromFile := file(t, "secret", rightSecret+"\r\n")
	for _, test := range []struct {
		name, env, stdin string
		args             []string
		sent             bool
	}{
		{"none", "", "", nil, false},
		{"environment", rightSecret, "", nil, true},
		{"file", "", "", []string{"--secret-file", fromFile}, true},
		{"file and not the environment", "another_secret_0123456789", "", []string{"--secret-file", fromFile}, true},
		{"standard input", "", rightSecret + "\n", []string{"--secret-file", "-"}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Setenv(secretEnv, test.env)
			s := serve(t, nil, ok)
			got := command(t, test.stdin, append([]string{"send", "http://" + s.address}, test.args...)...)
			if r := s.got(); strings.Contains(r, header) != test.sent || strings.Contains(r, wire.SecretHeader) != test.sent {
				t.Errorf("got\n%s", r)
			}
			if none := strings.Contains(got.out, "none given, so there was no "+wire.SecretHeader); none == test.sent || got.failure != "" {
				t.Errorf("got %+v", got)
			}
		})
	}
}

func TestSendUpdates(t *testing.T) {
	s := serve(t, nil, ok)
	sent := func(stdin string, args ...string) string {
		t.Helper()
		if got := command(t, stdin, append([]string{"send", s.url}, args...)...); got.failure != "" {
			t.Fatalf("%q: %+v", args, got)
		}
		_, body, _ := strings.Cut(s.got(), "\r\n\r\n")
		return body
	}
	for kind, sample := range samples.Updates() {
		first := sent("", "--type", kind)
		second := sent("", "--type", kind)
		_, rest, _ := bytes.Cut(sample, []byte(","))
		if !strings.HasSuffix(first, ","+string(rest)) || first == second {
			t.Errorf("%s: got %s and %s", kind, first, second)
		}
	}
	if got := sent(update+"\n", "--update", "-"); got != update {
		t.Errorf("from standard input: got %q", got)
	}
}

// Nothing is sent on wrong usage, and the error says what to do.
func TestSendUsage(t *testing.T) {
	s := serve(t, nil, ok)
	url := s.url
	for _, test := range []struct {
		name  string
		stdin string
		args  []string
		want  string
	}{
		{"no url", "", nil, "give one url"},
		{"two urls", "", []string{url, url}, "give one url"},
		{"not a url", "", []string{"ftp://a/"}, "the url is not one such as"},
		{"a url that Telegram never sends to", "", []string{url + strings.Repeat("x", 4000)}, "never sends anything"},
		{"both from standard input", "x", []string{url, "--secret-file", "-", "--update", "-"}, "cannot both read standard input"},
		{"type and file", "", []string{url, "--type", "poll", "--update", "x"}, "none of the others can be"},
		{"unknown type", "", []string{url, "--type", "letter"}, `no built-in update of this type`},
		{"no such file", "", []string{url, "--update", "/does/not/exist"}, "--update: no such file or directory"},
		{"a folder", "", []string{url, "--update", "/"}, "--update: is a directory"},
		{"not JSON", "{\"update_id\":1,}", []string{url, "--update", "-"}, "--update: is not JSON, from byte 16 on"},
		{"not an update", `{"message":{}}`, []string{url, "--update", "-"}, "is not an update"},
		{"a list", `[1]`, []string{url, "--update", "-"}, "is not an update"},
		{"an id that is none", `{"update_id":"1"}`, []string{url, "--update", "-"}, "is not an update"},
		{"nothing", "", []string{url, "--update", "-"}, "is not JSON"},
		{"too long", `{"update_id":1,"x":"` + strings.Repeat("x", wire.MaxUpdate) + `"}`, []string{url, "--update", "-"}, "is longer than 524328 bytes"},
		{"no secret in the file", "\n", []string{url, "--secret-file", "-"}, "--secret-file: the secret is empty"},
		{"a secret with a space", rightSecret + " ", []string{url, "--secret-file", "-"}, "--secret-file: the secret has a character at position 33"},
		{"the secret in place of a file", "", []string{url, "--secret-file", rightSecret}, "--secret-file: no such file or directory"},
		{"the secret as a flag", "", []string{url, "--secret=" + rightSecret}, "unknown flag: --secret"},
		{"the secret as an argument", "", []string{url, rightSecret}, "give one url"},
		{"no certificate", "x", []string{url, "--ca", "-"}, "--ca: holds no certificate"},
		{"ca and insecure", "", []string{url, "--ca", "x", "--insecure"}, "none of the others can be"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := command(t, test.stdin, append([]string{"send"}, test.args...)...)
			if !strings.Contains(got.failure, test.want) || got.out != "" || !strings.Contains(got.err, test.want) {
				t.Errorf("got %+v", got)
			}
			if strings.Contains(got.err, rightSecret) {
				t.Error("the error holds the secret")
			}
		})
	}
	t.Setenv(secretEnv, "a b")
	if got := command(t, "", "send", url); !strings.Contains(got.failure, secretEnv+": the secret has a character at position 2") {
		t.Errorf("a bad secret in the environment: got %+v", got)
	}
	if r := s.got(); r != "" {
		t.Errorf("sent: %q", r)
	}
}

// talker is a server that says something of its own to whoever comes.
func talker(t *testing.T) (address string) {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = c.Write([]byte("220 mail.example.com\r\n"))
			_, _ = io.Copy(io.Discard, c) // until the other side has read it
			_ = c.Close()
		}
	}()
	return l.Addr().String()
}

func TestSendUnreachable(t *testing.T) {
	cert, _ := selfSigned(t)
	_, otherPEM := selfSigned(t)
	secure := serve(t, &cert, ok)
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	other := file(t, "other.pem", otherPEM)
	for _, test := range []struct {
		name string
		args []string
		want string
	}{
		{"nobody listens", []string{"http://" + l.Addr().String()}, `connection refused. Telegram would note "Connection refused"`},
		{"not trusted", []string{"https://" + secure.address}, "x509: certificate signed by unknown authority; --ca trusts"},
		{"another one is trusted", []string{"https://" + secure.address, "--ca", other}, "x509: certificate signed by unknown authority"},
		{"not TLS", []string{"https://" + talker(t)}, "does not look like a TLS handshake"},
		{"IPv6 only", []string{"http://[::1]:8080"}, "cannot be reached"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := command(t, "", append([]string{"send"}, test.args...)...)
			if !strings.Contains(got.failure, test.want) || strings.HasPrefix(got.failure, "exiting") || got.out != "" {
				t.Errorf("got %+v", got)
			}
		})
	}
	if got := command(t, "", "send", "--insecure", "https://"+secure.address); got.failure != "" {
		t.Errorf("--insecure: got %+v", got)
	}
}

// A server that gives the secret back, in whatever case and place, does not get
// it shown.
func TestSendHidesTheSecret(t *testing.T) {
	t.Setenv(secretEnv, rightSecret)
	body := "wrong " + rightSecret + ", " + strings.ToUpper(rightSecret)
	s := serve(t, nil, fmt.Sprintf("HTTP/1.1 403 %s\r\nLocation: /%s\r\nContent-Length: %d\r\n\r\n%s", rightSecret, rightSecret, len(body), body))
	got := command(t, "", "send", "http://"+s.address+"/"+rightSecret)
	if strings.Contains(strings.ToLower(got.out+got.err+got.failure), strings.ToLower(rightSecret)) {
		t.Errorf("got %+v", got)
	}
	if n := strings.Count(got.out, "[secret]"); n != 5 {
		t.Errorf("hidden %d times, want 5:\n%s", n, got.out)
	}
}

func TestHelpNamesEveryType(t *testing.T) {
	if got, want := strings.ReplaceAll(types, "\n", " "), strings.Join(samples.Kinds(), ", "); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}
