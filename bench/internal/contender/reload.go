package contender

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// Live is what a process in Go holds after a garbage collection.
type Live struct {
	Heap       int64
	Goroutines int
}

// Reloads reports whether a contender can take on a configuration anew.
func (c *Contender) Reloads() bool { return c.reload != nil }

// Reload has it take on its configuration anew, though it is the same.
func (r *Running) Reload() error { return r.reload(r) }

// Live returns what it holds after a garbage collection; nil if it cannot tell.
func (r *Running) Live() (*Live, error) {
	if r.live == nil {
		return nil, nil
	}
	live, err := r.live(r)
	return &live, err
}

// byMaster has the first process of a contender do it.
func byMaster(signal syscall.Signal) func(*Running) error {
	return func(r *Running) error { return r.cmd.Process.Signal(signal) }
}

func reloadCaddy(r *Running) error {
	config, err := os.Open(r.config)
	if err != nil {
		return err
	}
	defer config.Close()
	header := http.Header{"Content-Type": {"text/caddyfile"}, "Cache-Control": {"must-revalidate"}}
	if strings.HasSuffix(r.config, ".json") {
		header.Set("Content-Type", "application/json")
	}
	return r.admin(http.MethodPost, "/load", config, header, func(io.Reader) error { return nil })
}

// liveCaddy reads the counts in the texts of the profiles.
func liveCaddy(r *Running) (live Live, err error) {
	count := func(path, format string, n any) error {
		return r.admin(http.MethodGet, path, nil, nil, func(profile io.Reader) error {
			for lines := bufio.NewScanner(profile); lines.Scan(); {
				if _, err := fmt.Sscanf(lines.Text(), format, n); err == nil {
					return nil
				}
			}
			return fmt.Errorf("%s: no line as %q", path, format)
		})
	}
	if err := count("/debug/pprof/heap?gc=1&debug=1", "# HeapAlloc = %d", &live.Heap); err != nil {
		return live, err
	}
	return live, count("/debug/pprof/goroutine?debug=1", "goroutine profile: total %d", &live.Goroutines)
}

func (r *Running) adminSocket() string { return filepath.Join(r.dir, "admin") }

// admin asks Caddy's admin API, and gives its answer to read.
func (r *Running) admin(method, path string, body io.Reader, header http.Header, read func(io.Reader) error) error {
	client := http.Client{Timeout: patience, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", r.adminSocket())
		},
	}}
	req, err := http.NewRequest(method, "http://127.0.0.1"+path, body)
	if err != nil {
		return err
	}
	if header != nil {
		req.Header = header
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(resp.Body)
		return fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, text)
	}
	return read(resp.Body)
}
