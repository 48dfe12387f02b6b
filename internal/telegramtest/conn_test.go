package telegramtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
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

// A webhook that closes without an answer is tried again, and that is all.
func TestCloseWithoutAnswer(t *testing.T) {
	for _, answer := range []string{"", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", "HTTP/1.1 200 OK\r\nContent-Le"} {
		synctest.Test(t, func(t *testing.T) {
			var l log
			p := &pipes{answer: func(n int, _ string) string {
				if n > 3 {
					return ok
				}
				return answer
			}}
			s := NewSender(Webhook{URL: "http://a/"}, Options{OnAttempt: l.add, Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
				near, far := net.Pipe()
				go p.serve(&closing{Conn: far, after: answer})
				return near, nil
			}})
			defer s.Close()
			s.Send([]byte(inChat(1, 1)))
			wait(t, s)
			equal(t, "pauses", l.pauses(), []float64{0, 2, 4, 8})
			if stats := s.Stats(); stats.LastError != "" || stats.Failed != 4 || stats.Connections != 5 {
				t.Errorf("%q: got %+v", answer, stats)
			}
		})
	}
}

// closing is a connection that ends once something was written.
type closing struct {
	net.Conn
	after string
}

func (c *closing) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	if string(p) == c.after {
		c.Close()
	}
	return n, err
}

func TestPersistentConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pipes{answer: func(int, string) string {
			time.Sleep(10 * time.Second)
			return ok
		}}
		s := start(t, p, Webhook{}, Options{})
		begin := time.Now()
		for i := range 3 {
			s.Send([]byte(inChat(i, 1)))
			wait(t, s)
			time.Sleep(59 * time.Second)
		}
		if got := s.Stats().Connections; got != 1 || len(p.closes()) != 0 {
			t.Errorf("%d connections, closed at %v", got, p.closes())
		}
		time.Sleep(2 * time.Second)
		if len(p.closes()) != 1 || p.closes()[0].Sub(begin) != 3*10*time.Second+2*59*time.Second+time.Minute {
			t.Errorf("closed at %v, began at %v", p.closes(), begin)
		}
		s.Send([]byte(inChat(3, 1)))
		wait(t, s)
		if stats := s.Stats(); stats.Connections != 2 || stats.Failed != 0 {
			t.Errorf("got %+v", stats)
		}
	})
}

// An idle connection that the webhook closes is not used again, so that no try
// is lost on it.
func TestWebhookClosesIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var far net.Conn
		p := &pipes{answer: func(int, string) string { return ok }}
		s := NewSender(Webhook{URL: "http://a/"}, Options{Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			near, f := net.Pipe()
			far = f
			go p.serve(f)
			return near, nil
		}})
		defer s.Close()
		s.Send([]byte(inChat(1, 1)))
		wait(t, s)
		synctest.Wait()
		far.Close()
		synctest.Wait()
		s.Send([]byte(inChat(2, 1)))
		wait(t, s)
		if stats := s.Stats(); stats.Connections != 2 || stats.Failed != 0 || stats.Delivered != 2 {
			t.Errorf("got %+v", stats)
		}
	})
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

// An answer counts although the request could not be written, but the
// connection is not used again.
func TestAnswerWithoutRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewSender(Webhook{URL: "http://a/"}, Options{Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			near, _ := net.Pipe()
			return unwritable{near}, nil
		}})
		defer s.Close()
		s.Send([]byte(inChat(1, 1)))
		s.Send([]byte(inChat(2, 1)))
		wait(t, s)
		if stats := s.Stats(); stats.Connections != 2 || stats.Failed != 0 {
			t.Errorf("got %+v", stats)
		}
	})
}

// unwritable is a connection that answers after a second and takes nothing.
type unwritable struct{ net.Conn }

func (unwritable) Write([]byte) (int, error) { return 0, syscall.EPIPE }

func (unwritable) Read(p []byte) (int, error) {
	time.Sleep(time.Second)
	return copy(p, ok), nil
}

func TestReadTimeout(t *testing.T) {
	for name, answer := range map[string]string{
		"no answer":       "",
		"half an answer":  "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
		"only line feeds": "HTTP/1.1 200 OK\nContent-Length: 0\n\n",
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var l log
				s := NewSender(Webhook{URL: "http://a/"}, Options{OnAttempt: l.add, Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
					near, far := net.Pipe()
					go io.Copy(io.Discard, far)
					go io.WriteString(far, answer)
					return near, nil
				}})
				defer s.Close()
				begin := time.Now()
				s.Send([]byte(inChat(1, 1)))
				time.Sleep(61 * time.Second)
				stats := s.Stats()
				if stats.LastError != "Read timeout expired" || stats.LastErrorDate.Sub(begin) != time.Minute || stats.Failed != 1 {
					t.Errorf("got %+v", stats)
				}
				equal(t, "pauses", l.pauses(), []float64{0})
			})
		})
	}
}

func TestWriteTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewSender(Webhook{URL: "http://a/"}, Options{Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			near, _ := net.Pipe()
			return near, nil
		}})
		defer s.Close()
		s.Send([]byte(`{"update_id":1,"x":"` + strings.Repeat("x", 5000) + `"}`))
		time.Sleep(61 * time.Second)
		if stats := s.Stats(); stats.LastError != "Write timeout expired" || stats.Failed != 1 {
			t.Errorf("got %+v", stats)
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

func TestDialErrors(t *testing.T) {
	for _, test := range []struct {
		err  error
		want string
	}{
		{&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}, "Connection refused"},
		{&net.OpError{Op: "dial", Err: syscall.EHOSTUNREACH}, "No route to host"},
		{&net.DNSError{Err: "no such host", IsNotFound: true}, "Failed to resolve host: Name or service not known"},
		{context.DeadlineExceeded, "Connection timed out"},
	} {
		synctest.Test(t, func(t *testing.T) {
			var l log
			s := NewSender(Webhook{URL: "http://a/"}, Options{OnAttempt: l.add, Dial: func(context.Context, string, string) (net.Conn, error) {
				return nil, test.err
			}})
			defer s.Close()
			s.Send([]byte(inChat(1, 1)))
			time.Sleep(3 * time.Second)
			equal(t, "pauses", l.pauses(), []float64{0, 2, 4})
			if got := s.Stats().LastError; got != test.want || !errors.Is(l.all()[0].Err, test.err) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}
