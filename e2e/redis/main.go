// Command redis is Caddy with its standard modules, telegram_webhook, and storage in
// Redis. The storage does what the published ones do, and no more: a lock is a key that
// expires unless it is refreshed.
package main

import (
	caddycmd "github.com/caddyserver/caddy/v2/cmd"

	_ "github.com/caddy-telegram/telegramwebhook"
	_ "github.com/caddyserver/caddy/v2/modules/standard"
)

func main() { caddycmd.Main() }
