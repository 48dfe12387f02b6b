package contender

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
)

// Reloads reports whether a contender can load its configuration again.
func (c *Contender) Reloads() bool { return c.reload != nil }

// Reload has the contender load its configuration again. The configuration is
// the same.
func (r *Running) Reload() error { return r.reload(r) }

// signalMaster reloads by a signal to the contender's first process.
func signalMaster(signal syscall.Signal) func(*Running) error {
	return func(r *Running) error { return r.cmd.Process.Signal(signal) }
}

func (r *Running) adminSocket() string { return filepath.Join(r.dir, "admin") }

// reloadCaddy reloads by Caddy's admin API.
func reloadCaddy(r *Running) error {
	config, err := os.Open(filepath.Join(r.dir, "Caddyfile"))
	if err != nil {
		return err
	}
	defer config.Close()
	req, err := http.NewRequest(http.MethodPost, "http://127.0.0.1/load", config)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "text/caddyfile")
	req.Header.Set("Cache-Control", "must-revalidate") // load it, though it is the same
	client := http.Client{Timeout: timeout, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", r.adminSocket())
		},
	}}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(resp.Body)
		return fmt.Errorf("reloading Caddy: %s: %s", resp.Status, text)
	}
	return nil
}
