package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// kind says what each bot has in front of it.
type kind string

const (
	bare       kind = "bare Caddy"
	withSecret kind = "secret"
	withToken  kind = "bot_token"
)

// token is the n-th bot's.
func token(n int) string {
	return fmt.Sprintf("%d:for_the_stand_in_only_%014d", 100_000_000+n, n)
}

func secretOf(n int) string { return fmt.Sprintf("secret_of_bot_%d_0123456789_abcdefghij", n) }

// path is the n-th bot's. In groups it begins with that of the group.
func path(n int) string {
	if *group > 0 {
		return fmt.Sprintf("/%d/bot-%d", n / *group, n)
	}
	return fmt.Sprintf("/bot-%d", n)
}

// grouped are the routes below one for each group, so that a request meets few.
func grouped(routes []object) (groups []object) {
	for routes := range slices.Chunk(routes, *group) {
		groups = append(groups, object{
			"group":  "groups",
			"match":  []object{{"path": []string{fmt.Sprintf("/%d/*", len(groups))}}},
			"handle": []object{{"handler": "subroute", "routes": routes}},
		})
	}
	return groups
}

type object = map[string]any

// config has so many bots on one host, a path each, as the Caddyfile
//
//	http://localhost:<port> {
//		handle /bot-1 {
//			telegram_webhook <secret>
//			reverse_proxy <bot>
//		}
//		…
//	}
//
// is adapted. The mark makes it another configuration.
func (s *stage) config(k kind, bots, mark int) []byte {
	routes := make([]object, bots)
	for n := range routes {
		handlers := []object{{"handler": "reverse_proxy", "upstreams": []object{{"dial": s.bot}}}}
		switch k {
		case withSecret:
			handlers = append([]object{{"handler": "telegram_webhook", "secret": []string{secretOf(n)}, "allow_http": true}}, handlers...)
		case withToken:
			handlers = append([]object{{
				"handler": "telegram_webhook", "bot_token": token(n), "api": s.api, "allow_http": true,
				"url": "https://" + strings.TrimPrefix(s.site, "http://") + path(n),
			}}, handlers...)
		}
		routes[n] = object{
			"group":  "bots",
			"match":  []object{{"path": []string{path(n)}}},
			"handle": []object{{"handler": "subroute", "routes": []object{{"handle": handlers}}}},
		}
	}
	if *group > 0 {
		routes = grouped(routes)
	}
	content, err := json.Marshal(object{
		"admin":   object{"listen": s.admin},
		"logging": object{"logs": object{"default": object{"level": "ERROR"}}},
		"apps": object{"http": object{"servers": object{"bots": object{
			"listen":           []string{strings.TrimPrefix(s.site, "http://localhost")},
			"automatic_https":  object{"disable": true},
			"max_header_bytes": 64<<10 + mark,
			"routes": []object{{
				"match":    []object{{"host": []string{"localhost"}}},
				"handle":   []object{{"handler": "subroute", "routes": routes}},
				"terminal": true,
			}},
		}}}},
	})
	if err != nil {
		panic(err)
	}
	return content
}
