package contender

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
)

// The arguments of caddyfile are the admin socket, server options, host, port,
// certificate, key, and the directives of the site.
const caddyfile = `{
	admin unix/%s
	persist_config off
	auto_https off
	servers {
		protocols h1 h2
%s	}
}

https://%s:%d {
	bind 127.0.0.1
	tls %s %s
%s}
`

// The sites have the upstream as their last argument.
const (
	// proxySite is the proxy of examples/busy-bot.Caddyfile. Every Caddy has it,
	// with the gate and without, unless its label says otherwise.
	proxySite = `	reverse_proxy %s {
		request_buffers 64KiB
		transport http {
			keepalive_idle_conns_per_host 100
			keepalive 4s
		}
	}
`
	defaultProxySite = `	reverse_proxy %s
`
	matcherSite = `	@ok header ` + secretHeader + ` ` + Secret + `
	handle @ok {
` + proxySite + `	}
	respond 403
`
)

const (
	gateDirective = `	telegram_webhook {env.TELEGRAM_WEBHOOK_SECRET} {
%s	}
`
	registeredOptions = `		bot_token {env.TELEGRAM_BOT_TOKEN}
		api %s
`
	guardOptions = `		listener_wrappers {
			telegram_webhook {
				penalty 20 1m 10m
			}
			tls
		}
`
	logDirective = `	log {
		output file %s
	}
`
	placeholderDirectives = `	request_header X-Chat {http.telegram_webhook.chat_id}
	request_header X-Type {http.telegram_webhook.update_type}
`
)

// gateOptions say what the gate has besides a secret.
type gateOptions struct{ guard, log, placeholders, dedupe, registered, poll bool }

func gate(name, label string, o gateOptions) *Contender {
	c := caddyContender(name, label, http.StatusForbidden, func(r *Running) (server, site string) {
		if o.guard {
			server = guardOptions
		}
		if o.log {
			site += fmt.Sprintf(logDirective, r.accessLog())
		}
		var options string
		if o.dedupe {
			options += "\t\tdedupe\n"
		}
		if o.registered {
			options += fmt.Sprintf(registeredOptions, r.setup.api)
		}
		if o.poll {
			options += "\t\tpoll\n"
		}
		site += fmt.Sprintf(gateDirective, options)
		if o.placeholders {
			site += placeholderDirectives
		}
		return server, site + fmt.Sprintf(proxySite, r.setup.Upstream)
	})
	c.Gate, c.Drops = true, o.guard
	return c
}

// caddy is a Caddy without the gate.
func caddy(name, label string, refusal int, siteFormat string, log bool) *Contender {
	return caddyContender(name, label, refusal, func(r *Running) (server, site string) {
		if log {
			site = fmt.Sprintf(logDirective, r.accessLog())
		}
		return "", site + fmt.Sprintf(siteFormat, r.setup.Upstream)
	})
}

func caddyContender(name, label string, refusal int, config func(*Running) (server, site string)) *Contender {
	return &Contender{Name: name, Label: label, Refusal: refusal, prepare: (*Setup).buildCaddy, reload: reloadCaddy,
		command: func(r *Running) (*exec.Cmd, error) {
			server, site := config(r)
			text := fmt.Sprintf(caddyfile, r.adminSocket(), server, Host, r.port, r.setup.cert, r.setup.key, site)
			path, err := r.write("Caddyfile", []byte(text))
			if err != nil {
				return nil, err
			}
			cmd := exec.Command(r.setup.caddy, "run", "--config", path)
			cmd.Env = append(os.Environ(), "TELEGRAM_WEBHOOK_SECRET="+Secret, "TELEGRAM_BOT_TOKEN="+Token,
				"XDG_DATA_HOME="+filepath.Join(r.dir, "data"), "XDG_CONFIG_HOME="+filepath.Join(r.dir, "config"))
			return cmd, nil
		}}
}

func (r *Running) accessLog() string { return filepath.Join(r.dir, "access.log") }
