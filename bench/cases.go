package main

import (
	"crypto/tls"
	"net/netip"
	"sync/atomic"

	"github.com/caddy-telegram/telegramwebhook/bench/internal/contender"
	"github.com/caddy-telegram/telegramwebhook/bench/internal/load"
)

// A benchCase is one thing to measure of several contenders.
type benchCase struct {
	Name  string
	Title string

	// Contenders are in the order of the table. Reference is the one that the
	// others are compared with, and Compared what is.
	Contenders []string
	Reference  string
	Compared   figure

	// Long cases take more time: there are fewer requests in them to count.
	Long bool

	// Flooded cases are measured while others forge.
	Flooded bool

	// Plain cases are there to be compared with another one, and have no plot.
	Plain bool

	job func(*contender.Running) load.Job
}

const (
	// connections is how many Telegram opens by default.
	connections = 40

	forgedSecret = "bench_9876543210-abcdefghijklmnopqrst" // as long as the right one
)

func genuine(rate int) func(*contender.Running) load.Job {
	return func(r *contender.Running) load.Job {
		return load.Job{Address: r.Address, Targets: r.Targets(), TLS: r.TelegramTLS(), Connections: connections, Rate: rate}
	}
}

func forged(fresh bool) func(*contender.Running) load.Job {
	return func(r *contender.Running) load.Job {
		var from []netip.Addr
		if fresh {
			from = addresses()
		}
		job := against(r, from).forge()
		job.Fresh = fresh
		return job
	}
}

// forgersTLS is how a forger connects. He does not look at the certificate. The
// curve is the first that OpenSSL offers, and the only one that all contenders
// have: otherwise some would do more work for a handshake than others.
var forgersTLS = &tls.Config{ServerName: contender.Host, InsecureSkipVerify: true, CurvePreferences: []tls.CurveID{tls.X25519}}

// sources is how many addresses a flood comes from.
const sources = 8

var floods atomic.Int32

// addresses returns addresses of loopback that no flood has come from before.
func addresses() []netip.Addr {
	n := floods.Add(1) - 1
	list := make([]netip.Addr, sources)
	for i := range list {
		list[i] = netip.AddrFrom4([4]byte{127, byte(1 + n/200%200), byte(1 + n%200), byte(1 + i)})
	}
	return list
}

func allCases() []*benchCase {
	return []*benchCase{
		{
			Name: "full", Title: "Genuine updates, at full load",
			Contenders: []string{"gate", "bare", "matcher", "nginx", "haproxy", "go", "grammy", "telegraf"},
			Reference:  "bare", Compared: cpu, job: genuine(0),
		},
		{
			Name: "variants", Title: "Genuine updates, at full load, by what is configured",
			Contenders: []string{"gate", "gate-guard", "gate-log", "gate-placeholders", "gate-dedupe", "gate-both", "gate-1000", "bare"},
			Reference:  "bare", Compared: cpu, job: genuine(0),
		},
		{
			Name: "open", Title: "Forgeries on open connections",
			Contenders: []string{"gate", "matcher", "nginx", "haproxy", "go", "grammy", "telegraf"},
			Reference:  "matcher", Compared: cpu, job: forged(false),
		},
		{
			Name: "open-log", Title: "Forgeries on open connections, with an access log",
			Contenders: []string{"gate-log", "matcher-log", "nginx-log", "haproxy-log"},
			Reference:  "matcher-log", Compared: cpu, job: forged(false),
		},
		{
			Name: "fresh", Title: "Forgeries, each on a connection of its own",
			Contenders: []string{"gate", "gate-guard", "matcher", "nginx", "haproxy", "go", "grammy", "telegraf"},
			Reference:  "nginx", Compared: cpu, job: forged(true),
		},
		{
			Name: "steady", Title: "Genuine updates, 1,000 a second",
			Contenders: []string{"gate", "bare", "matcher", "nginx", "haproxy", "go", "grammy", "telegraf"},
			Reference:  "bare", Compared: cpu, Long: true, job: genuine(1000),
		},
		{
			Name: "calm", Title: "Genuine updates, 500 a second",
			Contenders: []string{"gate", "gate-guard", "matcher", "nginx", "haproxy", "go", "grammy", "telegraf"},
			Reference:  "haproxy", Compared: p99, Long: true, Plain: true, job: genuine(500),
		},
		{
			Name: "flood", Title: "Genuine updates, 500 a second, while 64 connections forge",
			Contenders: []string{"gate", "gate-guard", "matcher", "nginx", "haproxy", "go", "grammy", "telegraf"},
			Reference:  "haproxy", Compared: p99, Long: true, Flooded: true, job: genuine(500),
		},
	}
}
