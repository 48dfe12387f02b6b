package load

import (
	"crypto/tls"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// serve runs a webhook over TLS, and returns a load on it that counts until enough
// requests have been received.
func serve(t *testing.T, enough int64, webhook http.HandlerFunc) Job {
	t.Helper()
	var received atomic.Int64
	done := make(chan struct{})
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		webhook(w, r)
		if received.Add(1) == enough {
			close(done)
		}
	}))
	t.Cleanup(server.Close)
	return Job{
		Address:     server.Listener.Addr().String(),
		URL:         server.URL + "/hook",
		Secret:      "right",
		TLS:         &tls.Config{InsecureSkipVerify: true},
		Connections: 4,
		During: func() {
			select {
			case <-done:
			case <-time.After(timeout):
				t.Error("too few requests")
			}
		},
	}
}

func run(t *testing.T, j Job) *Result {
	t.Helper()
	result, err := Run(j)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

func TestGenuine(t *testing.T) {
	j := serve(t, 200, func(_ http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Telegram-Bot-Api-Secret-Token") != "right" {
			t.Error("no secret")
		}
		if r.URL.Path != "/hook" {
			t.Errorf("sent to %s", r.URL)
		}
	})
	result := run(t, j)
	if result.Status[200] < 150 || result.Requests() != result.Status[200] || len(result.Latencies) != result.Status[200] {
		t.Errorf("got %+v", result)
	}
	if result.Percentile(50) > result.Percentile(99) || result.Percentile(100) != result.Latencies[len(result.Latencies)-1] {
		t.Error("the percentiles are not in order")
	}
}

func TestPaced(t *testing.T) {
	j := serve(t, 40, func(http.ResponseWriter, *http.Request) {})
	j.Rate = 200
	result := run(t, j)
	if result.Took < 100*time.Millisecond || result.Requests() == 0 {
		t.Errorf("%d requests took %v at 200 a second", result.Requests(), result.Took)
	}
}

func TestForged(t *testing.T) {
	from := netip.MustParseAddr("127.9.8.7")
	var fresh atomic.Int64
	j := serve(t, 100, func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.RemoteAddr, from.String()+":") {
			t.Error("from ", r.RemoteAddr)
		}
		if fresh.Add(1)%2 == 0 {
			panic(http.ErrAbortHandler) // closes the connection
		}
		w.WriteHeader(http.StatusForbidden)
	})
	j.Forged, j.Fresh, j.From = true, true, []netip.Addr{from}
	result := run(t, j)
	if result.Status[403] == 0 || result.Dropped == 0 || result.Resent+result.Lost > 0 {
		t.Errorf("got %+v", result)
	}
}

// When the connection is closed before the answer, the same update is sent again.
func TestResent(t *testing.T) {
	var mu sync.Mutex
	var n int
	var aborted string
	j := serve(t, 60, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		mu.Lock()
		defer mu.Unlock()
		if aborted != "" && string(body) != aborted {
			t.Errorf("got %.25q after %.25q was not answered", body, aborted)
		}
		n++
		if aborted = ""; n%10 == 0 {
			aborted = string(body)
			panic(http.ErrAbortHandler)
		}
	})
	j.Connections, j.CheckClosed = 1, true
	result := run(t, j)
	if result.Resent == 0 || result.Lost > 0 || result.Status[200] == 0 {
		t.Errorf("got %+v", result)
	}
}

func TestIdleClosed(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer server.Close()
	c, err := dial(server.Listener.Addr().String(), netip.Addr{}, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	r, err := newRequest(server.URL, "s")
	if err != nil {
		t.Fatal(err)
	}
	if status, keep, err := c.do(r.next()); status != 200 || !keep || err != nil {
		t.Fatal(status, keep, err)
	}
	if c.closed() {
		t.Error("closed, though it is open")
	}
	server.CloseClientConnections()
	for deadline := time.Now().Add(timeout); !c.closed(); {
		if time.Now().After(deadline) {
			t.Fatal("open, though it is closed")
		}
	}
}

// A forged request to a closed port counts as dropped, and does not hang.
func TestUnreachable(t *testing.T) {
	server := httptest.NewServer(nil)
	address := server.Listener.Addr().String()
	server.Close()
	request, err := newRequest("https://"+address, "s")
	if err != nil {
		t.Fatal(err)
	}
	w := &worker{request: request, job: &Job{Address: address, Forged: true}, phase: new(atomic.Int32), counted: new(atomic.Bool), status: make(map[int]int)}
	w.phase.Store(counting)
	if status := w.send(); status != 0 || w.dropped != 1 {
		t.Errorf("got %d, %d dropped", status, w.dropped)
	}
}
