package telegramtest

import (
	"context"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// Setting a webhook opens a connection, although there is nothing to send.
func TestFirstConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pipes{answer: func(int, string) string { return ok }}
		s := start(t, p, Webhook{}, Options{})
		begin := time.Now()
		time.Sleep(time.Hour)
		if stats := s.Stats(); stats.Connections != 1 || len(p.closes()) != 1 || p.closes()[0].Sub(begin) != time.Minute {
			t.Errorf("%d connections, closed at %v", stats.Connections, p.closes())
		}
	})
}

// A quiet bot has one connection: until a slow update is answered, everybody waits.
// Then the others get connections of their own.
func TestQuietBot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pipes{answer: func(n int, _ string) string {
			if n == 0 {
				time.Sleep(30 * time.Second)
			}
			time.Sleep(time.Second)
			return ok
		}}
		s := start(t, p, Webhook{}, Options{})
		begin := time.Now()
		for i := range 6 {
			s.Send([]byte(inChat(i, 1+i)))
		}
		wait(t, s)
		equal(t, "times", p.seconds(begin), []float64{0, 31, 31, 31, 31, 31})
	})
}

// While updates are taken, ten connections may be made at once and then one in 50 ms,
// as many as there are chats to serve.
func TestActiveBot(t *testing.T) {
	for _, test := range []struct{ max, chats, want int }{{40, 30, 30}, {25, 30, 25}} {
		synctest.Test(t, func(t *testing.T) {
			p := &pipes{answer: func(n int, _ string) string {
				if n > 0 {
					time.Sleep(5 * time.Second)
				}
				return ok
			}}
			s := start(t, p, Webhook{MaxConnections: test.max}, Options{})
			s.Send([]byte(inChat(0, 100)))
			wait(t, s)
			begin := time.Now()
			for i := range test.chats {
				s.Send([]byte(inChat(1+i, 1+i)))
			}
			want := []float64{0} // on the connection that is there
			for i := range test.want - 1 {
				want = append(want, float64(max(0, i-9)*50)/1000)
			}
			wait(t, s)
			equal(t, "times", p.seconds(begin)[1:1+test.want], want)
		})
	}
}

// Ten seconds after the last success there is one new connection in two seconds again.
func TestNothingSucceeds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pipes{answer: func(n int, _ string) string {
			if n == 0 {
				return ok
			}
			return "" // closes
		}}
		s := start(t, p, Webhook{}, Options{})
		s.Send([]byte(inChat(0, 100)))
		wait(t, s)
		for i := range 40 {
			s.Send([]byte(inChat(1+i, 1+i)))
		}
		time.Sleep(12 * time.Second)
		before := s.Stats().Connections
		time.Sleep(time.Minute)
		if after := s.Stats().Connections; before < 80 || after-before > 31 {
			t.Errorf("%d connections in 12 s, %d in the next minute", before, after-before)
		}
	})
}

// A bot that takes updates and closes each connection has a spare one.
func TestSpareConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pipes{answer: func(int, string) string {
			return "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
		}}
		s := start(t, p, Webhook{}, Options{})
		for i := range 3 {
			s.Send([]byte(inChat(i, 1)))
			wait(t, s)
			synctest.Wait()
			if stats := s.Stats(); stats.Connections != i+2 {
				t.Errorf("after update %d there were %d connections", i, stats.Connections)
			}
		}
		time.Sleep(time.Hour)
		if stats := s.Stats(); stats.Connections != 4 {
			t.Errorf("when quiet there were %d connections", stats.Connections)
		}
	})
}

// Of several idle connections the one that was used longest ago is next. A new
// registration drops them all.
func TestLongestUnusedFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l log
		p := &pipes{answer: func(n int, _ string) string {
			if n > 0 && n < 4 {
				time.Sleep(time.Second)
			}
			return ok
		}}
		s := start(t, p, Webhook{}, Options{OnAttempt: l.add})
		s.Send([]byte(inChat(0, 1)))
		wait(t, s)
		for i := range 3 {
			s.Send([]byte(inChat(1+i, 1+i)))
			time.Sleep(time.Millisecond)
		}
		wait(t, s)
		for i := range 6 {
			s.Send([]byte(inChat(4+i, 1)))
			wait(t, s)
			synctest.Wait()
		}
		var conns []uint64
		for _, a := range l.all()[4:] {
			conns = append(conns, a.Conn)
		}
		equal(t, "connections", conns, []uint64{1, 2, 3, 1, 2, 3})
		s.SetWebhook(Webhook{URL: "http://other.example.com/"})
		synctest.Wait()
		if got := len(p.closes()); got != 3 {
			t.Errorf("%d connections were dropped", got)
		}
	})
}

// A connection that ends while nothing is under way is an error if it is reset, and none
// if it is closed.
func TestIdleConnectionFails(t *testing.T) {
	for err, want := range map[error]string{syscall.ECONNRESET: "Connection reset by peer", io.EOF: ""} {
		synctest.Test(t, func(t *testing.T) {
			s := NewSender(Webhook{URL: "http://a/"}, Options{Dial: func(context.Context, string, string) (net.Conn, error) {
				near, _ := net.Pipe()
				return failingRead{near, err}, nil
			}})
			defer s.Close()
			time.Sleep(5 * time.Second)
			if stats := s.Stats(); stats.LastError != want || stats.Connections != 1 || stats.Failed != 0 {
				t.Errorf("%v: got %+v", err, stats)
			}
		})
	}
}

// failingRead is a connection that breaks after a second.
type failingRead struct {
	net.Conn
	err error
}

func (c failingRead) Read([]byte) (int, error) {
	time.Sleep(time.Second)
	return 0, c.err
}

// A request that is not taken in within a minute has another error than one that is not
// answered.
func TestRequestNotTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewSender(Webhook{URL: "http://a/"}, Options{Dial: func(context.Context, string, string) (net.Conn, error) {
			near, far := net.Pipe()
			go io.ReadFull(far, make([]byte, 10))
			return near, nil
		}})
		defer s.Close()
		s.Send([]byte(inChat(1, 1)))
		time.Sleep(61 * time.Second)
		if stats := s.Stats(); stats.LastError != "Write timeout expired" {
			t.Errorf("got %+v", stats)
		}
	})
}

// The handshake counts too, and what is missing is an answer.
func TestSlowHandshake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewSender(Webhook{URL: "https://a/"}, Options{Dial: func(context.Context, string, string) (net.Conn, error) {
			near, far := net.Pipe()
			go io.Copy(io.Discard, far)
			return near, nil
		}})
		defer s.Close()
		begin := time.Now()
		s.Send([]byte(inChat(1, 1)))
		time.Sleep(61 * time.Second)
		if stats := s.Stats(); stats.LastError != "Read timeout expired" || stats.LastErrorDate.Sub(begin) != time.Minute {
			t.Errorf("got %+v", stats)
		}
	})
}

// A server whose answer cannot be read is told so, in an answer of Telegram's.
func TestRefusedAnswer(t *testing.T) {
	for answer, want := range map[string]string{
		"HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 1\r\n\r\nx":              "415 Unsupported Media Type",
		"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx":            "400 Bad Request",
		"HTTP/1.1 200 OK\r\nContent-Type: multipart/form-data\r\nContent-Length: 1\r\n\r\nx": "400 Bad Request",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n":                                 "501 Not Implemented",
		"SSH-2.0-x\r\n\r\n":       "501 Not Implemented",
		"HTTP/2.0 200 OK\r\n\r\n": "505 HTTP Version Not Supported",
		"HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 300<<10):                      "431 Request Header Fields Too Large",
		response(strings.Repeat("x", 1<<20+1), "Content-Type: application/json\r\n"): "413 Request Entity Too Large",
		response("hi", "Content-Type: application/json\r\n") + "more":                "",
		"HTTP/1.1 500 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n":          "",
	} {
		synctest.Test(t, func(t *testing.T) {
			told := make(chan string, 10)
			s := NewSender(Webhook{URL: "http://a/"}, Options{Dial: func(context.Context, string, string) (net.Conn, error) {
				near, far := net.Pipe()
				go func() {
					request := make([]byte, len(Request(Webhook{URL: "http://a/"}, []byte(inChat(1, 1)))))
					io.ReadFull(far, request)
					go io.WriteString(far, answer)
					rest, _ := io.ReadAll(far)
					told <- string(rest)
				}()
				return near, nil
			}})
			s.Send([]byte(inChat(1, 1)))
			synctest.Wait()
			s.Close()
			if want != "" {
				want = "HTTP/1.1 " + want + "\r\nContent-Length: 0\r\n\r\n"
			}
			if got := <-told; got != want {
				t.Errorf("%.50q: got %q, want %q", answer, got, want)
			}
		})
	}
}
