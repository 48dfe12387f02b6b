package e2e

import (
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// workFolder is for what the tests install and build. TestMain makes it, and takes it
// away afterwards.
var workFolder string

// caddyBinary is where TestMain has built Caddy with the gate.
var caddyBinary string

// python is the one that has the libraries: a machine may have several.
var python = cmp.Or(os.Getenv("PYTHON"), "python3")

// buildFlags has -race when the tests have it: Caddy is then watched for data
// races too.
var buildFlags []string

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	var err error
	if workFolder, err = os.MkdirTemp("", "e2e"); err == nil {
		defer os.RemoveAll(workFolder)
		err = buildCaddy()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

func buildCaddy() error {
	caddyBinary = filepath.Join(workFolder, "caddy")
	args := append([]string{"build"}, buildFlags...)
	return command("..", "go", append(args, "-o", caddyBinary, "./cmd/caddy")...)
}

// needPython looks for what the bots in Python need.
var needPython = sync.OnceValue(func() error {
	const all = "import flask, waitress, tornado, telegram; assert int(telegram.__version__.split('.')[0]) >= 20, telegram.__version__"
	if err := command(".", python, "-c", all); err != nil {
		return fmt.Errorf("these tests need flask, waitress, tornado and, from version 20 on, python-telegram-bot in the Python that PYTHON names: %w", err)
	}
	return nil
})

// command runs a program in a folder, and tells what it wrote if it fails.
func command(dir, name string, args ...string) error {
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", cmd, err, out)
	}
	return nil
}
