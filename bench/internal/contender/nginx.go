package contender

import (
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"syscall"
)

// The check is an if, and not a map, which would compare without regard to case.
// An if that returns is the one kind that nginx's makers call safe.
const nginxFormat = `daemon off;
pid %[1]s/pid;
error_log %[1]s/error.log;
worker_processes auto;
events {
	worker_connections 4096;
}
http {
	access_log %[2]s;
	client_body_temp_path %[1]s/body;
	proxy_temp_path %[1]s/proxy;
	fastcgi_temp_path %[1]s/fastcgi;
	uwsgi_temp_path %[1]s/uwsgi;
	scgi_temp_path %[1]s/scgi;
	keepalive_requests 1000000;
	keepalive_timeout 75s;
	upstream bot {
		server %[3]s;
		keepalive 100;
		keepalive_requests 1000000;
	}
	server {
		listen 127.0.0.1:%[4]d ssl;
		server_name %[5]s;
		ssl_certificate %[6]s;
		ssl_certificate_key %[7]s;
		ssl_protocols TLSv1.2 TLSv1.3;
		client_max_body_size 1m;
		client_body_buffer_size 64k;
		if ($http_x_telegram_bot_api_secret_token != "%[8]s") {
			return 403;
		}
		location / {
			proxy_pass http://bot;
			proxy_http_version 1.1;
			proxy_set_header Connection "";
			proxy_set_header Host $host;
			proxy_set_header %[9]s "";
		}
	}
}
`

func nginx(name, label string, log bool) *Contender {
	return &Contender{Name: name, Label: label, Refusal: http.StatusForbidden, prepare: installed("nginx"), reload: signalMaster(syscall.SIGHUP),
		command: func(r *Running) (*exec.Cmd, error) {
			accessLog := "off"
			if log {
				accessLog = r.accessLog()
			}
			s := r.setup
			config := fmt.Sprintf(nginxFormat, r.dir, accessLog, s.Upstream, r.port, Host, s.cert, s.key, Secret, secretHeader)
			path, err := r.write("nginx.conf", []byte(config))
			if err != nil {
				return nil, err
			}
			return exec.Command(program("nginx"), "-p", r.dir, "-c", path, "-e", filepath.Join(r.dir, "error.log")), nil
		}}
}
