// Command caddy is Caddy with its standard modules and telegram_webhook: for the
// releases, the tests, and trying the module out. To add other modules, build with xcaddy.
package main

import (
	caddycmd "github.com/caddyserver/caddy/v2/cmd"

	_ "github.com/caddy-telegram/telegramwebhook"
	_ "github.com/caddyserver/caddy/v2/modules/standard"
)

func main() { caddycmd.Main() }
