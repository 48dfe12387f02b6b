package telegramtest

import (
	"context"
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

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
			<-ctx.Done()
			return nil, ctx.Err()
		}})
		defer s.Close()
		s.Send([]byte(inChat(1, 1)))
		time.Sleep(61 * time.Second)
		if stats := s.Stats(); stats.LastError != "Write timeout expired" || stats.Failed != 1 {
			t.Errorf("got %+v", stats)
		}
	})
}

// The time for the answer begins with the connection.
func TestSlowConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		s := NewSender(Webhook{URL: "http://a/"}, Options{Dial: func(context.Context, string, string) (net.Conn, error) {
			time.Sleep(50 * time.Second)
			near, far := net.Pipe()
			go io.Copy(io.Discard, far)
			return near, nil
		}})
		defer s.Close()
		s.Send([]byte(inChat(1, 1)))
		time.Sleep(61 * time.Second)
		if stats := s.Stats(); stats.LastError != "Read timeout expired" || stats.LastErrorDate.Sub(begin) != time.Minute {
			t.Errorf("got %+v", stats)
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
	} {
		synctest.Test(t, func(t *testing.T) {
			var l log
			var dialed []float64
			begin := time.Now()
			s := NewSender(Webhook{URL: "http://a/"}, Options{OnAttempt: l.add, Dial: func(context.Context, string, string) (net.Conn, error) {
				dialed = append(dialed, time.Since(begin).Seconds())
				return nil, test.err
			}})
			defer s.Close()
			s.Send([]byte(inChat(1, 1)))
			time.Sleep(9 * time.Second)
			synctest.Wait()
			equal(t, "dialed", dialed, []float64{0, 2, 4, 6, 8}) // although the update is not due each time
			if got := s.Stats().LastError; got != test.want || !errors.Is(l.all()[0].Err, test.err) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}
