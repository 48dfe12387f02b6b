// Command caddy is Caddy with its standard modules and telegram_webhook: for
// trying the module out and for its tests. For production, build with xcaddy.
package main

import (
	caddycmd "github.com/caddyserver/caddy/v2/cmd"

	_ "github.com/caddy-telegram/telegramwebhook"
	_ "github.com/caddyserver/caddy/v2/modules/standard"
)

func main() { caddycmd.Main() }
