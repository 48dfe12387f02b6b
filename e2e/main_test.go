package e2e

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Where the programs are that TestMain has built.
var caddyBinary, goBotBinary string

// buildFlags has -race when the tests have it: Caddy is then watched for data
// races too.
var buildFlags []string

const grammyFolder = "bots/grammy"

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

// run builds the programs once for all tests, and takes them away afterwards.
func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "e2e")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	caddyBinary, goBotBinary = filepath.Join(dir, "caddy"), filepath.Join(dir, "bot")

	for _, step := range []func() error{needPrograms, buildCaddy, buildGoBot, installGrammy} {
		if err := step(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return m.Run()
}

func needPrograms() error {
	for _, program := range []string{"node", "npm", "bash", "curl"} {
		if _, err := exec.LookPath(program); err != nil {
			return fmt.Errorf("these tests need %s: %w", program, err)
		}
	}
	return nil
}

func buildCaddy() error {
	args := append([]string{"build"}, buildFlags...)
	return command("..", "go", append(args, "-o", caddyBinary, "./cmd/caddy")...)
}

func buildGoBot() error {
	return command(".", "go", "build", "-o", goBotBinary, "./bots/go")
}

// installGrammy installs what the lock file says, unless that is there already.
func installGrammy() error {
	want, err := os.ReadFile(filepath.Join(grammyFolder, "package-lock.json"))
	if err != nil {
		return err
	}
	installed := filepath.Join(grammyFolder, "node_modules", ".installed-from")
	if have, err := os.ReadFile(installed); err == nil && bytes.Equal(have, want) {
		return nil
	}
	if err := command(grammyFolder, "npm", "ci", "--no-audit", "--no-fund"); err != nil {
		return err
	}
	return os.WriteFile(installed, want, 0o644)
}

// command runs a program in a folder, and tells what it wrote if it fails.
func command(dir, name string, args ...string) error {
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", cmd, err, out)
	}
	return nil
}
