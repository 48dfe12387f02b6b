package contender

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// A Caddyfile has the options of the server, the extras of the site, and what the
// site does. Everything that is not said is Caddy's default.
const caddyfileFormat = `{
	admin unix/%[1]s
	persist_config off
	auto_https off
%[2]s}

https://%[3]s:%[4]d {
	bind 127.0.0.1
	tls %[5]s %[6]s
%[7]s%[8]s}
`

const (
	gateSite = `	telegram_webhook {env.TELEGRAM_WEBHOOK_SECRET} {
%[2]s	}
	reverse_proxy %[1]s {
%[3]s	}
`
	bareSite = `	reverse_proxy %[1]s
`
	matcherSite = `	@ok header ` + secretHeader + ` ` + Secret + `
	handle @ok {
		reverse_proxy %[1]s
	}
	respond 403
`
	guardOptions = `	servers {
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

// gate is this gate with some of "guard", "log", "placeholders", "dedupe" and
// "buffers".
func gate(name, what, with string) *Contender {
	site := func(upstream string) string {
		handler, proxy := "", ""
		if strings.Contains(with, "dedupe") {
			handler = "\t\tdedupe\n"
		}
		if strings.Contains(with, "buffers") {
			proxy = "\t\trequest_buffers 64KiB\n"
		}
		s := fmt.Sprintf(gateSite, upstream, handler, proxy)
		if strings.Contains(with, "placeholders") {
			s += placeholdersSite
		}
		return s
	}
	return &Contender{Name: name, What: what, Refusal: http.StatusForbidden,
		command: caddyfileOf(site, with), reload: reloadCaddy, live: liveCaddy}
}

func caddyfile(format, with string) func(*Running) (*exec.Cmd, error) {
	return caddyfileOf(func(upstream string) string { return fmt.Sprintf(format, upstream) }, with)
}

func caddyfileOf(site func(upstream string) string, with string) func(*Running) (*exec.Cmd, error) {
	return func(r *Running) (*exec.Cmd, error) {
		options, extras := "", ""
		if strings.Contains(with, "guard") {
			options = guardOptions
		}
		if strings.Contains(with, "log") {
			extras = fmt.Sprintf(logSite, filepath.Join(r.dir, "access.log"))
		}
		s := r.setup
		config := fmt.Sprintf(caddyfileFormat, r.adminSocket(), options, Host, r.port, s.cert, s.key, extras, site(s.Upstream))
		path, err := r.write("Caddyfile", config)
		if err != nil {
			return nil, err
		}
		cmd := exec.Command(s.caddy, "run", "--adapter", "caddyfile", "--config", path)
		cmd.Env = append(os.Environ(), "TELEGRAM_WEBHOOK_SECRET="+Secret, "TELEGRAM_BOT_TOKEN="+token,
			"XDG_DATA_HOME="+filepath.Join(r.dir, "data"), "XDG_CONFIG_HOME="+filepath.Join(r.dir, "config"))
		return cmd, nil
	}
}

func (r *Running) adminSocket() string { return filepath.Join(r.dir, "admin") }

// admin asks Caddy's admin API, and gives its answer to read.
func (r *Running) admin(method, path string, body io.Reader, header http.Header, read func(io.Reader) error) error {
	client := http.Client{Timeout: patience, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", r.adminSocket())
		},
	}}
	req, err := http.NewRequest(method, "http://127.0.0.1"+path, body)
	if err != nil {
		return err
	}
	for name, values := range header {
		req.Header[name] = values
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(resp.Body)
		return fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, text)
	}
	return read(resp.Body)
}

// reloadCaddy has Caddy load its configuration though it is the same.
func reloadCaddy(r *Running) error {
	config, err := os.Open(filepath.Join(r.dir, "Caddyfile"))
	if err != nil {
		return err
	}
	defer config.Close()
	header := http.Header{"Content-Type": {"text/caddyfile"}, "Cache-Control": {"must-revalidate"}}
	return r.admin(http.MethodPost, "/load", config, header, func(io.Reader) error { return nil })
}

// liveCaddy reads the counts in the texts of the profiles.
func liveCaddy(r *Running) (live Live, err error) {
	count := func(path, format string, n any) error {
		return r.admin(http.MethodGet, path, nil, nil, func(profile io.Reader) error {
			for lines := bufio.NewScanner(profile); lines.Scan(); {
				if _, err := fmt.Sscanf(lines.Text(), format, n); err == nil {
					return nil
				}
			}
			return fmt.Errorf("%s: no line as %q", path, format)
		})
	}
	if err := count("/debug/pprof/heap?gc=1&debug=1", "# HeapAlloc = %d", &live.Heap); err != nil {
		return live, err
	}
	return live, count("/debug/pprof/goroutine?debug=1", "goroutine profile: total %d", &live.Goroutines)
}
