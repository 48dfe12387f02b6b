package e2e

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/caddy-telegram/telegramwebhook/internal/storagetest"
)

// What the README promises under "Try it without a bot" is what happens: the first block of
// commands is run, then the second, and its output is what its comments say.
func TestQuickStart(t *testing.T) {
	for _, port := range []string{"8443", "18080"} {
		l, err := net.Listen("tcp", "127.0.0.1:"+port)
		if err != nil {
			t.Fatalf("the quick start needs port %s: %v", port, err)
		}
		_ = l.Close()
	}
	run, try := quickStart(t)
	// Storage of its own, and an admin address that no other Caddy has.
	data := t.TempDir()
	if err := storagetest.SkipCleaning(filepath.Join(data, "caddy")); err != nil {
		t.Fatal(err)
	}
	env := append(os.Environ(), "CADDY_ADMIN="+loopback(freePort(t)), "XDG_DATA_HOME="+data, "XDG_CONFIG_HOME="+t.TempDir())

	terminal := exec.Command("bash", "-c", run)
	terminal.Dir, terminal.Env = "..", env
	// The whole group is interrupted, as by Ctrl-C: go run does not hand on signals.
	terminal.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	server := startProcess(t, terminal, func([]byte) {})
	t.Cleanup(func() { _ = syscall.Kill(-terminal.Process.Pid, syscall.SIGINT) })
	eventually(t, "Caddy has its certificate", func() bool {
		return server.out.contain("certificate obtained successfully")
	})

	curl := exec.Command("bash", "-e", "-c", try)
	curl.Dir, curl.Env = "..", env
	got, err := curl.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, err.(*exec.ExitError).Stderr)
	}
	// The bot's answer ends without a line break, and so without one of ours.
	if got, want := oneLine(string(got)), promised(try); got != want {
		t.Errorf("the commands say %q, the README promises %q", got, want)
	}
}

// quickStart returns the README's two blocks of commands under "Try it
// without a bot".
func quickStart(t *testing.T) (run, try string) {
	t.Helper()
	readme, err := os.ReadFile(filepath.Join("..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(readme), "\n## Try it without a bot\n")
	section, _, _ = strings.Cut(section, "\n## ")
	blocks := regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(section, 2)
	if len(blocks) < 2 || !strings.Contains(blocks[0][1], "go run") || strings.Count(blocks[1][1], "\ncurl ") != 3 {
		t.Fatalf("the README's quick start is not go run and three curl calls: %q", blocks)
	}
	return blocks[0][1], blocks[1][1]
}

// promised returns what the comments in a block say of the output.
func promised(block string) string {
	var said strings.Builder
	for line := range strings.Lines(block) {
		if comment, ok := strings.CutPrefix(line, "# "); ok {
			said.WriteString(comment)
		}
	}
	return oneLine(said.String())
}

func oneLine(s string) string { return strings.ReplaceAll(s, "\n", "") }
