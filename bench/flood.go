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

// forgeries is what a flood is told: whom to forge to, and from where.
type forgeries struct {
	Address, URL string
	From         []netip.Addr
	Hasty        bool // whoever is forged to may not answer at all
}

// forgers is how many connections a flood has at once.
const forgers = 64

// against are forgeries to a contender.
func against(r *contender.Running, from []netip.Addr) forgeries {
	return forgeries{Address: r.Address, URL: r.Targets()[0].URL, From: from, Hasty: r.Drops}
}

// forge is a load of forged requests.
func (f forgeries) forge() load.Job {
	return load.Job{Address: f.Address, Targets: []load.Target{{URL: f.URL, Secret: forgedSecret}},
		TLS: forgersTLS, Connections: forgers, Forged: true, From: f.From, Hasty: f.Hasty}
}

// flood forges from the moment on at which it is told to whom until its standard
// input ends. Then it tells what came of it.
func flood(stdin io.Reader, stdout io.Writer) error {
	in := bufio.NewReader(stdin)
	line, err := in.ReadBytes('\n')
	if err != nil {
		return err
	}
	var f forgeries
	if err := json.Unmarshal(line, &f); err != nil {
		return err
	}
	job := f.forge()
	job.During = func() { _, _ = io.Copy(io.Discard, in) }
	result, err := load.Run(job)
	if err != nil {
		return err
	}
	return json.NewEncoder(stdout).Encode(floodReport{Requests: result.Requests(), Dropped: result.Dropped, Took: result.Took})
}

// floodReport is what a flood tells at its end.
type floodReport struct {
	Requests, Dropped int
	Took              time.Duration
}

// underFlood calls during while forgers are at it.
func underFlood(f forgeries, during func()) (report floodReport, err error) {
	h, err := startHelper("flood")
	if err != nil {
		return report, err
	}
	if err := json.NewEncoder(h.stdin).Encode(f); err != nil {
		_ = h.stop()
		return report, fmt.Errorf("starting the flood: %w", err)
	}
	during()
	_ = h.stdin.Close()
	if line, err := h.out.ReadBytes('\n'); err != nil {
		_ = h.stop()
		return report, fmt.Errorf("ending the flood: %w", err)
	} else if err := json.Unmarshal(line, &report); err != nil {
		return report, err
	}
	return report, h.stop()
}
