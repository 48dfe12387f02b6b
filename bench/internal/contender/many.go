package contender

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os/exec"
)

func botPath(i int) string { return fmt.Sprintf("bot/%04d", i) }

func botSecret(i int) string { return fmt.Sprintf("bench_%04d-abcdefghijklmnopqrstuvwxyz", i) }

// manyBots is one Caddy with this gate before many bots, on one host. Its
// configuration is JSON, as a program would write it.
func manyBots(name, what string, bots int) *Contender {
	return &Contender{Name: name, What: what, Gate: true, Refusal: http.StatusForbidden, Bots: bots,
		prepare: (*Setup).buildCaddy, reload: reloadCaddy, live: liveCaddy,
		command: func(r *Running) (*exec.Cmd, error) {
			config, err := json.Marshal(r.manyBotsConfig())
			if err != nil {
				return nil, err
			}
			return r.caddyCommand("caddy.json", config)
		}}
}

type object = map[string]any

func (r *Running) manyBotsConfig() object {
	routes := make([]object, r.Bots)
	for i, target := range r.Targets() {
		routes[i] = object{
			"match": []object{{"path": []string{"/" + botPath(i)}}},
			"handle": []object{
				{"handler": "telegram_webhook", "secret": []string{target.Secret}, "name": fmt.Sprintf("bot-%04d", i)},
				{"handler": "reverse_proxy", "upstreams": []object{{"dial": r.setup.Upstream}}},
			},
		}
	}
	return object{
		"admin": object{"listen": "unix/" + r.adminSocket(), "config": object{"persist": false}},
		"apps": object{
			"http": object{"servers": object{"bots": object{
				"listen":                  []string{r.Address},
				"automatic_https":         object{"disable": true},
				"tls_connection_policies": []object{{}},
				"routes":                  routes,
			}}},
			"tls": object{"certificates": object{"load_files": []object{{"certificate": r.setup.cert, "key": r.setup.key}}}},
		},
	}
}
