package contender

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
)

// bot is a bot that serves TLS and checks the secret itself. The function args
// returns its command line.
func bot(name, label string, refusal int, prepare func(*Setup) error, args func(*Setup) []string) *Contender {
	return &Contender{Name: name, Label: label, Refusal: refusal, prepare: prepare, command: func(r *Running) (*exec.Cmd, error) {
		s := r.setup
		argv := args(s)
		cmd := exec.Command(argv[0], argv[1:]...)
		cmd.Env = append(os.Environ(), "NODE_ENV=production", "BOT_PORT="+strconv.Itoa(r.port),
			"BOT_TOKEN="+Token, "BOT_SECRET="+Secret, "BOT_CERT="+s.cert, "BOT_KEY="+s.key)
		return cmd, nil
	}}
}

func goBot(s *Setup) []string { return []string{s.goBot} }

func script(name string) func(*Setup) []string {
	return func(s *Setup) []string { return []string{"node", filepath.Join(s.bots(), name)} }
}
