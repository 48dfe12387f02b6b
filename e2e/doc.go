// Package e2e tests the gate from end to end: real bots in Go, TypeScript, Python
// and PHP as processes, the real Caddy as a process before them, and a sender that
// speaks and retries as Telegram does, over TLS with Caddy's own CA.
//
// Each bot goes from an empty folder to an answered update, and through the rest of
// its story, by one command:
//
//	go test -run 'TestBots/go-telegram'
//	go test -run 'TestBots/grammy'
//	go test -run 'TestBots/telegraf'
//	go test -run 'TestBots/python-telegram-bot'
//	go test -run 'TestBots/flask'
//
// It is a module of its own, so that the bots' libraries stay out of the
// plugin's. It needs Go; for the bots in TypeScript, Node 20 or later with npm; for
// those in Python, the libraries that needPython names in the Python that PYTHON
// names; and for the other tests bash and curl, Prometheus, PHP-FPM, nginx, HAProxy,
// openssl, redis-server, fail2ban and systemd-analyze. .ci/run sees to all but Go and
// Node. Everything listens on loopback.
package e2e
