package contender

import (
	"fmt"
	"net/http"
	"os/exec"
	"syscall"
)

const haproxyFormat = `global
	maxconn 4096
%[1]s
defaults
	mode http
	timeout connect 5s
	timeout client 75s
	timeout server 75s
	timeout http-keep-alive 75s
	http-reuse always

frontend telegram
	bind 127.0.0.1:%[2]d ssl crt %[3]s ssl-min-ver TLSv1.2
%[4]s
	http-request deny deny_status 403 unless { req.fhdr(%[5]s) -m str %[6]s }
	http-request del-header %[5]s
	default_backend bot

backend bot
	server bot %[7]s
`

func haproxy(name, label string, log bool) *Contender {
	return &Contender{Name: name, Label: label, Refusal: http.StatusForbidden, prepare: installed("haproxy"), reload: signalMaster(syscall.SIGUSR2),
		command: func(r *Running) (*exec.Cmd, error) {
			global, frontend := "", ""
			if log {
				global, frontend = "\tlog stdout format raw local0\n", "\tlog global\n\toption httplog\n"
			}
			s := r.setup
			config := fmt.Sprintf(haproxyFormat, global, r.port, s.combined, frontend, secretHeader, Secret, s.Upstream)
			path, err := r.write("haproxy.cfg", []byte(config))
			if err != nil {
				return nil, err
			}
			return exec.Command(program("haproxy"), "-W", "-f", path), nil
		}}
}
