// Package e2e tests the gate from end to end: real bots in Go, Node, Python and
// PHP as processes, the real Caddy as a process before them, and a sender that speaks
// and retries as Telegram does, over TLS with Caddy's own CA.
//
// It is a module of its own, so that the bots' libraries stay out of the
// plugin's. It needs Go, Node 20 or later with npm, bash and curl, Prometheus,
// PHP-FPM, systemd-analyze, and Python with the libraries that TestMain names.
// Everything listens on loopback.
package e2e
