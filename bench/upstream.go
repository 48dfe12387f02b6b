package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
)

// upstream is the bot behind all gates: it takes what comes and answers 200. It
// says where it listens, and ends with its standard input.
func upstream(stdin io.Reader, stdout io.Writer) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(stdout, listener.Addr()); err != nil {
		return err
	}
	go func() {
		_ = http.Serve(listener, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
		}))
	}()
	_, err = io.Copy(io.Discard, stdin)
	return err
}
