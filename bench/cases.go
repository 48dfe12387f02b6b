package main

import (
	"crypto/tls"
	"net/netip"
	"sync/atomic"

	"github.com/caddy-telegram/telegramwebhook/bench/internal/contender"
	"github.com/caddy-telegram/telegramwebhook/bench/internal/load"
)

// A benchCase is a load under which several contenders are measured.
type benchCase struct {
	Name  string
	Title string

	// Contenders are in the order of the table. The figure Compared of each one is
	// divided by that of Reference.
	Contenders []string
	Reference  string
	Compared   figure

	// Long cases have few requests to count, and take twice as long.
	Long bool

	// Flooded cases are measured during a flood of forgeries.
	Flooded bool

	job func(*contender.Running) load.Job
}

const (
	// connections is how many Telegram opens by default.
	connections = 40

	// forgers is how many connections a flood has at the same time.
	forgers = 64

	// pacedRate is how many genuine updates a second there are in paced loads.
	pacedRate = 500

	forgedSecret = "bench_9876543210-abcdefghijklmnopqrst" // as long as the accepted one
)

func genuine(rate int) func(*contender.Running) load.Job {
	return func(r *contender.Running) load.Job {
		return load.Job{Address: r.Address, URL: r.URL("/"), Secret: contender.Secret, TLS: r.TelegramTLS(), Connections: connections, Rate: rate}
	}
}

// forgedOpen forges on connections that stay open.
func forgedOpen(r *contender.Running) load.Job {
	return load.Job{Address: r.Address, URL: r.URL("/"), Secret: forgedSecret, TLS: forgerTLS, Connections: forgers, Forged: true}
}

// forgedFresh opens a connection for each forgery, from new addresses.
func forgedFresh(r *contender.Running) load.Job { return newFlood(r).job() }

// forgerTLS are a forger's TLS settings. The curve is the only one that all
// contenders support: with another one, the handshakes would not be the same work.
var forgerTLS = &tls.Config{ServerName: contender.Host, InsecureSkipVerify: true, CurvePreferences: []tls.CurveID{tls.X25519}}

// floodAddresses is the number of addresses that a flood comes from.
const floodAddresses = 8

var floods atomic.Int32

// newAddresses returns loopback addresses that no flood has come from before.
func newAddresses() []netip.Addr {
	n := floods.Add(1) - 1
	list := make([]netip.Addr, floodAddresses)
	for i := range list {
		list[i] = netip.AddrFrom4([4]byte{127, byte(1 + n/200%200), byte(1 + n%200), byte(1 + i)})
	}
	return list
}

func allCases() []*benchCase {
	return []*benchCase{
		{
			Name: "full", Title: "Genuine updates at full load",
			Contenders: []string{"gate", "bare", "matcher", "nginx", "haproxy", "go", "grammy", "telegraf"},
			Reference:  "bare", Compared: cpu, job: genuine(0),
		},
		{
			Name: "variants", Title: "Genuine updates at full load, by configuration",
			Contenders: []string{"gate", "gate-guard", "gate-log", "gate-placeholders", "gate-dedupe", "gate-both", "bare", "bare-defaults"},
			Reference:  "bare", Compared: cpu, job: genuine(0),
		},
		{
			Name: "open", Title: "Forgeries on open connections",
			Contenders: []string{"gate", "matcher", "nginx", "haproxy", "go", "grammy", "telegraf"},
			Reference:  "matcher", Compared: cpu, job: forgedOpen,
		},
		{
			Name: "open-log", Title: "Forgeries on open connections, with an access log",
			Contenders: []string{"gate-log", "matcher-log", "nginx-log", "haproxy-log"},
			Reference:  "matcher-log", Compared: cpu, job: forgedOpen,
		},
		{
			Name: "fresh", Title: "Forgeries on fresh connections",
			Contenders: []string{"gate-guard", "nginx", "gate", "matcher", "haproxy", "go", "grammy", "telegraf"},
			Reference:  "nginx", Compared: cpu, job: forgedFresh,
		},
		{
			Name: "steady", Title: "Genuine updates, 500 a second",
			Contenders: []string{"gate", "gate-guard", "bare", "matcher", "nginx", "haproxy", "go", "grammy", "telegraf"},
			Reference:  "haproxy", Compared: p99, Long: true, job: genuine(pacedRate),
		},
		{
			Name: "flood", Title: "Genuine updates, 500 a second, during a flood of forgeries on fresh connections",
			Contenders: []string{"gate-guard", "haproxy", "gate", "matcher", "nginx", "go", "grammy", "telegraf"},
			Reference:  "haproxy", Compared: p99, Long: true, Flooded: true, job: genuine(pacedRate),
		},
	}
}
