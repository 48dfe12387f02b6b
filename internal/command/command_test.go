package command

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/caddy-telegram/telegramwebhook/internal/telegram"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"caddy": func() {
		// No name server is asked: hosts are those of the hosts file.
		net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
			return nil, errors.New("there is no name server in tests")
		}}
		caddycmd.Main()
	}})
}

// TestScripts runs the transcripts. Each has servers of its own:
//
//	$CADDY_ADMIN  an admin API, see serveAdmin
//	$SITE         a server with answers from files, see serveAnswers
//	$LONG         a path so long that Telegram sends nothing
//	$GATE         a webhook with the secret $SECRET, see serveGate
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("SECRET", theSecret)
			env.Setenv("CADDY_ADMIN", serveAdmin(env))
			env.Setenv("SITE", serveAnswers(env))
			env.Setenv("GATE", serveGate(env))
			env.Setenv("LONG", strings.Repeat("x", telegram.MaxHead))
			long := fmt.Sprintf(`{"update_id":1,"x":"%s"}`, strings.Repeat("x", telegram.MaxUpdate))
			return os.WriteFile(filepath.Join(env.WorkDir, "long.json"), []byte(long), 0o600)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":      exits,
			"unique":     unique,
			"documented": documented,
		},
	})
}

// exits runs a command that must end with a status: exits 2 caddy ...
func exits(ts *testscript.TestScript, _ bool, args []string) {
	err := ts.Exec(args[1], args[2:]...)
	code := 0
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		err, code = nil, exit.ExitCode()
	}
	ts.Check(err)
	if want, _ := strconv.Atoi(args[0]); code != want {
		ts.Fatalf("exit status %d, want %d", code, want)
	}
	if text := strings.ToLower(ts.ReadFile("stdout") + ts.ReadFile("stderr")); strings.Contains(text, strings.ToLower(theSecret)) {
		ts.Fatalf("the output holds the secret")
	}
}

// unique compares the output with that of the same command before: it must differ.
func unique(ts *testscript.TestScript, _ bool, args []string) {
	first := ts.ReadFile("stdout")
	ts.Check(ts.Exec(args[0], args[1:]...))
	if first == "" || ts.ReadFile("stdout") == first {
		ts.Fatalf("the same output again")
	}
}

// documented requires that a page of the documentation shows a command and its
// output: documented README.md status
func documented(ts *testscript.TestScript, _ bool, args []string) {
	page, err := os.ReadFile("../../" + args[0])
	ts.Check(err)
	block := "$ caddy telegram-webhook " + strings.Join(args[1:], " ") + "\n" + ts.ReadFile("stdout")
	if !strings.Contains(string(page), block) {
		ts.Fatalf("%s does not show\n%s", args[0], block)
	}
}
