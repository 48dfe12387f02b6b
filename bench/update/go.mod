module github.com/caddy-telegram/telegramwebhook/bench/update

go 1.26.0

replace github.com/caddy-telegram/telegramwebhook => ../..

require (
	github.com/buger/jsonparser v1.6.1
	github.com/caddy-telegram/telegramwebhook v0.0.0
	github.com/tidwall/gjson v1.20.1
)

require (
	github.com/tidwall/match v1.1.1 // indirect
	github.com/tidwall/pretty v1.2.0 // indirect
)
