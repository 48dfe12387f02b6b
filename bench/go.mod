module github.com/caddy-telegram/telegramwebhook/bench

go 1.26.0

replace github.com/caddy-telegram/telegramwebhook => ../

require (
	github.com/caddy-telegram/telegramwebhook v0.0.0
	github.com/go-telegram/bot v1.19.0
)

require (
	github.com/tidwall/gjson v1.20.2 // indirect
	github.com/tidwall/match v1.1.1 // indirect
	github.com/tidwall/pretty v1.3.0 // indirect
	golang.org/x/net v0.60.0 // indirect
	golang.org/x/text v0.42.0 // indirect
)
