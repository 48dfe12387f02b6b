package e2e

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Where the programs are that TestMain has built or found.
var caddyBinary, goBotBinary, exampleBotBinary, phpFPMBinary string

// python is the one that has the libraries: a machine may have several.
var python = cmp.Or(os.Getenv("PYTHON"), "python3")

// buildFlags has -race when the tests have it: Caddy is then watched for data
// races too.
var buildFlags []string

const (
	grammyFolder      = "bots/grammy"
	exampleBotsFolder = examplesFolder + "/bots"
)

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
	exampleBotBinary = filepath.Join(dir, "example")

	for _, step := range []func() error{needPrograms, needPython, buildCaddy, buildGoBots, installGrammy, buildExamples} {
		if err := step(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return m.Run()
}

func needPrograms() error {
	for _, program := range []string{"node", "npm", "bash", "curl", python, "prometheus"} {
		if _, err := exec.LookPath(program); err != nil {
			return fmt.Errorf("these tests need %s: %w", program, err)
		}
	}
	found, _ := filepath.Glob("/usr/sbin/php-fpm*") // its name has its version
	if len(found) == 0 {
		return errors.New("these tests need php-fpm in /usr/sbin")
	}
	phpFPMBinary = found[len(found)-1]
	return nil
}

func needPython() error {
	const all = "import flask, waitress, tornado, telegram; assert int(telegram.__version__.split('.')[0]) >= 20, telegram.__version__"
	if err := command(".", python, "-c", all); err != nil {
		return fmt.Errorf("these tests need flask, waitress, tornado and, from version 20 on, python-telegram-bot in the Python that PYTHON names: %w", err)
	}
	return nil
}

func buildCaddy() error {
	args := append([]string{"build"}, buildFlags...)
	return command("..", "go", append(args, "-o", caddyBinary, "./cmd/caddy")...)
}

func buildGoBots() error {
	if err := command(filepath.Join(exampleBotsFolder, "go"), "go", "build", "-o", exampleBotBinary, "."); err != nil {
		return err
	}
	return command(".", "go", "build", "-o", goBotBinary, "./bots/go")
}

func installGrammy() error { return npmInstall(grammyFolder) }

// buildExamples checks the types of those in TypeScript, and makes JavaScript.
func buildExamples() error {
	for _, name := range []string{"grammy", "telegraf"} {
		folder := filepath.Join(exampleBotsFolder, name)
		if err := npmInstall(folder); err != nil {
			return err
		}
		if err := command(folder, "npm", "run", "build"); err != nil {
			return err
		}
	}
	return nil
}

// npmInstall installs what the lock file says, unless that is there already.
func npmInstall(folder string) error {
	want, err := os.ReadFile(filepath.Join(folder, "package-lock.json"))
	if err != nil {
		return err
	}
	installed := filepath.Join(folder, "node_modules", ".installed-from")
	if have, err := os.ReadFile(installed); err == nil && bytes.Equal(have, want) {
		return nil
	}
	if err := command(folder, "npm", "ci", "--no-audit", "--no-fund"); err != nil {
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
