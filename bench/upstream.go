package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
)

// runUpstream is the helper process behind every gate: a bot that reads each
// update and answers 200. It prints its address, and ends with its standard input.
func runUpstream(stdin io.Reader, stdout io.Writer) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(stdout, listener.Addr()); err != nil {
		return err
	}
	go func() { _ = http.Serve(listener, newUpstream()) }()
	_, err = io.Copy(io.Discard, stdin)
	return err
}

// newUpstream returns the bot. Updates to countedPath are counted, and countPath
// answers with the count.
func newUpstream() http.Handler {
	var c counter
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) })
	mux.HandleFunc("POST "+countedPath, c.receive)
	mux.HandleFunc("GET "+countPath, c.report)
	return mux
}

const (
	countedPath = "/counted"
	countPath   = "/count"
)

// count is what the bot has received.
type count struct {
	Updates  int // different ones
	Repeated int // received once more
}

// counter counts updates by their update_id.
type counter struct {
	mu       sync.Mutex
	seen     map[int64]bool
	repeated int
}

func (c *counter) receive(w http.ResponseWriter, r *http.Request) {
	var update struct {
		ID int64 `json:"update_id"`
	}
	if err := json.NewDecoder(r.Body).Decode(&update); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.seen[update.ID] {
		c.repeated++
		return
	}
	if c.seen == nil {
		c.seen = make(map[int64]bool)
	}
	c.seen[update.ID] = true
}

// report answers with the count since the last report.
func (c *counter) report(w http.ResponseWriter, _ *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_ = json.NewEncoder(w).Encode(count{Updates: len(c.seen), Repeated: c.repeated})
	c.seen, c.repeated = nil, 0
}

// readCount asks the bot at an address for its count.
func readCount(address string) (n count, err error) {
	resp, err := http.Get("http://" + address + countPath)
	if err != nil {
		return n, err
	}
	defer resp.Body.Close()
	return n, json.NewDecoder(resp.Body).Decode(&n)
}
