package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"time"

	"github.com/caddy-telegram/telegramwebhook/bench/internal/contender"
	"github.com/caddy-telegram/telegramwebhook/bench/internal/load"
)

// flood is a flood of forgeries, each on a fresh connection. It is sent to the
// helper process as JSON.
type flood struct {
	Address, URL string
	From         []netip.Addr
}

func newFlood(r *contender.Running) flood {
	return flood{Address: r.Address, URL: r.URL("/"), From: newAddresses()}
}

func (f flood) job() load.Job {
	return load.Job{Address: f.Address, URL: f.URL, Secret: forgedSecret, TLS: forgerTLS, Connections: forgers, Fresh: true, Forged: true, From: f.From}
}

// floodResult is what the helper process reports.
type floodResult struct {
	Requests int
	Took     time.Duration
}

// runFlood is the helper process: it reads a flood, sends forgeries until its
// standard input ends, and reports the result.
func runFlood(stdin io.Reader, stdout io.Writer) error {
	in := bufio.NewReader(stdin)
	line, err := in.ReadBytes('\n')
	if err != nil {
		return err
	}
	var f flood
	if err := json.Unmarshal(line, &f); err != nil {
		return err
	}
	job := f.job()
	job.During = func() { _, _ = io.Copy(io.Discard, in) }
	result, err := load.Run(job)
	if err != nil {
		return err
	}
	return json.NewEncoder(stdout).Encode(floodResult{Requests: result.Requests(), Took: result.Took})
}

// during sends the flood from a helper process while do runs.
func (f flood) during(do func()) (result floodResult, err error) {
	h, err := startHelper("flood")
	if err != nil {
		return result, err
	}
	if err := json.NewEncoder(h.stdin).Encode(f); err != nil {
		_ = h.stop()
		return result, fmt.Errorf("starting the flood: %w", err)
	}
	do()
	_ = h.stdin.Close()
	if line, err := h.out.ReadBytes('\n'); err != nil {
		_ = h.stop()
		return result, fmt.Errorf("ending the flood: %w", err)
	} else if err := json.Unmarshal(line, &result); err != nil {
		return result, err
	}
	return result, h.stop()
}
