package contender

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
)

// The Caddyfile says how to reach the admin API, the options of the server, where
// the site is, and what it does. What is not said is Caddy's default.
const caddyfile = `{
	admin unix/%s
	persist_config off
	auto_https off
%s}

https://%s:%d {
	bind 127.0.0.1
	tls %s %s
%s}
`

const (
	gateSite = `	telegram_webhook {env.TELEGRAM_WEBHOOK_SECRET} {
%s	}
`
	proxySite = `	reverse_proxy %s {
%s	}
`
	bareSite = `	reverse_proxy %s
`
	matcherSite = `	@ok header ` + secretHeader + ` ` + Secret + `
	handle @ok {
		reverse_proxy %s
	}
	respond 403
`
	registeredSite = `		bot_token {env.TELEGRAM_BOT_TOKEN}
		api %s
`
	shortKeepalive = `		transport http {
			keepalive 3s
		}
`
	guardOptions = `	servers {
		protocols h1 h2
		listener_wrappers {
			telegram_webhook {
				penalty 20 1m 10m
			}
			tls
		}
	}
`
	logSite = `	log {
		output file %s
	}
`
	placeholdersSite = `	request_header X-Chat {http.telegram_webhook.chat_id}
	request_header X-Type {http.telegram_webhook.update_type}
`
)

// gateExtras is what this gate is configured with beside a secret.
type gateExtras struct{ guard, log, placeholders, dedupe, registered bool }

func gate(name, what string, with gateExtras) *Contender {
	when := func(is bool, text string) string {
		if is {
			return text
		}
		return ""
	}
	c := caddyContender(name, what, http.StatusForbidden, func(r *Running) (options, site string) {
		site = when(with.log, fmt.Sprintf(logSite, r.accessLog())) +
			fmt.Sprintf(gateSite, when(with.dedupe, "\t\tdedupe\n")+when(with.registered, fmt.Sprintf(registeredSite, r.setup.api))) +
			when(with.placeholders, placeholdersSite) +
			fmt.Sprintf(proxySite, r.setup.Upstream, when(with.registered, shortKeepalive))
		return when(with.guard, guardOptions), site
	})
	c.Gate, c.Drops = true, with.guard
	return c
}

// caddy is a Caddy without this gate.
func caddy(name, what string, refusal int, siteFormat string, log bool) *Contender {
	return caddyContender(name, what, refusal, func(r *Running) (options, site string) {
		if log {
			site = fmt.Sprintf(logSite, r.accessLog())
		}
		return "", site + fmt.Sprintf(siteFormat, r.setup.Upstream)
	})
}

func caddyContender(name, what string, refusal int, config func(*Running) (options, site string)) *Contender {
	return &Contender{Name: name, What: what, Refusal: refusal, prepare: (*Setup).buildCaddy, reload: reloadCaddy, live: liveCaddy,
		command: func(r *Running) (*exec.Cmd, error) {
			options, site := config(r)
			text := fmt.Sprintf(caddyfile, r.adminSocket(), options, Host, r.port, r.setup.cert, r.setup.key, site)
			return r.caddyCommand("Caddyfile", []byte(text))
		}}
}

func (r *Running) accessLog() string { return filepath.Join(r.dir, "access.log") }

// caddyCommand runs Caddy with a configuration: a Caddyfile, or JSON by its name.
func (r *Running) caddyCommand(name string, config []byte) (*exec.Cmd, error) {
	var err error
	if r.config, err = r.write(name, config); err != nil {
		return nil, err
	}
	cmd := exec.Command(r.setup.caddy, "run", "--config", r.config)
	cmd.Env = append(os.Environ(), "TELEGRAM_WEBHOOK_SECRET="+Secret, "TELEGRAM_BOT_TOKEN="+token,
		"XDG_DATA_HOME="+filepath.Join(r.dir, "data"), "XDG_CONFIG_HOME="+filepath.Join(r.dir, "config"))
	return cmd, nil
}
