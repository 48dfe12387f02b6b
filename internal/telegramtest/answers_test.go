package telegramtest

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// A 1xx is the final answer and fails; what follows it is taken for the answer
// to the next request: the webhook has the update twice.
func TestEarlyHints(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l log
		p := &pipes{answer: func(n int, _ string) string {
			if n == 0 {
				return "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n" + ok
			}
			return failing(500)
		}}
		s := start(t, p, Webhook{}, Options{OnAttempt: l.add})
		s.Send([]byte(inChat(1, 1)))
		wait(t, s)
		synctest.Wait()
		equal(t, "arrived", p.got(), []string{inChat(1, 1), inChat(1, 1)})
		stats := s.Stats()
		if stats.Delivered != 1 || stats.Failed != 1 || stats.Connections != 1 || stats.LastError != "Wrong response from the webhook: 103 Early Hints" {
			t.Errorf("got %+v", stats)
		}

		// The connection stays out of step: this one gets the 500 to the second.
		s.Send([]byte(inChat(2, 1)))
		synctest.Wait()
		if a := l.all()[2]; a.UpdateID != 2 || a.Status != 500 || a.Conn != 1 {
			t.Errorf("got %+v", a)
		}
	})
}

// A trailer, announced or not, is taken for the answer to the next request, which
// fails.
func TestTrailer(t *testing.T) {
	for _, announcement := range []string{"", "Trailer: X-Checksum\r\n"} {
		synctest.Test(t, func(t *testing.T) {
			p := &pipes{answer: func(n int, _ string) string {
				if n == 0 {
					return "HTTP/1.1 200 OK\r\n" + announcement + "Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX-Checksum: 1\r\n\r\n"
				}
				return ok
			}}
			s := start(t, p, Webhook{MaxConnections: 1}, Options{})
			s.Send([]byte(inChat(1, 1)))
			s.Send([]byte(inChat(2, 1)))
			wait(t, s)
			if stats := s.Stats(); stats.Delivered != 2 || stats.Failed != 1 || stats.Connections != 2 || stats.LastError != "Not Implemented" {
				t.Errorf("got %+v", stats)
			}
		})
	}
}

// Each update but the first comes twice when every answer has a trailer.
func TestManyTrailers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pipes{answer: func(int, string) string {
			return "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX-Checksum: 1\r\n\r\n"
		}}
		s := start(t, p, Webhook{}, Options{})
		for i := range 20 {
			s.Send([]byte(inChat(i, 1)))
		}
		wait(t, s)
		synctest.Wait()
		if got := len(p.got()); got != 39 {
			t.Errorf("20 updates arrived %d times", got)
		}
	})
}

// An answer to a long request counts although the request was not taken in yet.
func TestEarlyAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var taken int64
		s := NewSender(Webhook{URL: "http://a/"}, Options{Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			near, far := net.Pipe()
			go func() {
				io.WriteString(far, failing(413))
				time.Sleep(time.Second)
				go func() { taken, _ = io.Copy(io.Discard, far) }()
				io.WriteString(far, ok)
			}()
			return near, nil
		}})
		defer s.Close()
		body := `{"update_id":1,"x":"` + strings.Repeat("x", 500000) + `"}`
		s.Send([]byte(body))
		synctest.Wait()
		if stats := s.Stats(); stats.LastError != "Wrong response from the webhook: 413 Request Entity Too Large" {
			t.Errorf("got %+v", stats)
		}
		wait(t, s)
		if stats := s.Stats(); stats.Connections != 1 || stats.Failed != 1 {
			t.Errorf("got %+v", stats)
		}
		time.Sleep(time.Second)
		s.Close()
		synctest.Wait()
		if want := 2 * len(Request(Webhook{URL: "http://a/"}, []byte(body))); taken != int64(want) {
			t.Errorf("the webhook took %d bytes, want %d", taken, want)
		}
	})
}

// An answer counts although the request could not be written, but the
// connection is not used again: not even if the write fails after the answer.
func TestAnswerWithoutRequest(t *testing.T) {
	for _, tt := range []struct {
		name        string
		write       time.Duration // how long the write takes
		connections int
		failed      int
	}{
		{"the write fails before the answer", 0, 3, 0}, // the third is a spare one
		{"the write fails after the answer, while the next update waits for it", 2 * time.Second, 2, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := NewSender(Webhook{URL: "http://a/"}, Options{Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
					near, _ := net.Pipe()
					return &unwritable{Conn: near, takes: tt.write}, nil
				}})
				defer s.Close()
				s.Send([]byte(inChat(1, 1)))
				s.Send([]byte(inChat(2, 1)))
				wait(t, s)
				if stats := s.Stats(); stats.Connections != tt.connections || stats.Failed != tt.failed {
					t.Errorf("got %+v", stats)
				}
			})
		})
	}
}

// unwritable is a connection that answers a second after a request and takes nothing of it.
type unwritable struct {
	net.Conn
	takes time.Duration
	asked atomic.Bool
}

func (c *unwritable) Write([]byte) (int, error) {
	c.asked.Store(true)
	time.Sleep(c.takes)
	return 0, syscall.EPIPE
}

func (c *unwritable) Read(p []byte) (int, error) {
	time.Sleep(time.Second)
	if !c.asked.Load() {
		return c.Conn.Read(p) // nothing, until the deadline
	}
	return copy(p, ok), nil
}

// Bytes that nobody asked for, however many, stay for the next answer.
func TestUnaskedBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l log
		body := strings.Repeat("x", 10000)
		p := &pipes{answer: func(int, string) string { return ok }}
		s := NewSender(Webhook{URL: "http://a/"}, Options{OnAttempt: l.add, Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			near, far := net.Pipe()
			go func() {
				go p.serve(far)
				time.Sleep(time.Second)
				fmt.Fprintf(far, "HTTP/1.1 404 Not Found\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
			}()
			return near, nil
		}})
		defer s.Close()
		begin := time.Now()
		s.Send([]byte(inChat(1, 1)))
		wait(t, s)
		time.Sleep(30 * time.Second)
		s.Send([]byte(inChat(2, 1)))
		wait(t, s)
		if a := l.all()[1]; a.Status != 404 || string(a.Body) != body || a.Conn != 1 {
			t.Errorf("got %d with %d bytes on connection %d", a.Status, len(a.Body), a.Conn)
		}
		synctest.Wait()
		equal(t, "times", p.seconds(begin), []float64{0, 30, 30})
		time.Sleep(61 * time.Second)
		if len(p.closes()) != 1 {
			t.Errorf("not closed when idle: %v, %+v, %q", p.closes(), s.Stats(), p.got())
		}
	})
}

func TestUnaskedBytesWhenIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pipes{answer: func(int, string) string { return ok + strings.Repeat("x", 10000) }}
		s := start(t, p, Webhook{}, Options{})
		s.Send([]byte(inChat(1, 1)))
		time.Sleep(61 * time.Second)
		synctest.Wait()
		if len(p.closes()) != 1 {
			t.Error("not closed")
		}
		s.Send([]byte(inChat(2, 1)))
		synctest.Wait()
		begin := time.Now()
		s.Close()
		if stats := s.Stats(); stats.Connections != 2 || stats.Delivered != 2 || !time.Now().Equal(begin) {
			t.Errorf("got %+v", stats)
		}
	})
}
