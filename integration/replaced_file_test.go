package integration

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/caddy-telegram/telegramwebhook/integration/caddytest"
)

// waysToWrite are those in which managers of secrets write the file named secret in a
// folder, for the nth time.
var waysToWrite = map[string]func(dir string, n int, value string) error{
	"in place": func(dir string, _ int, value string) error {
		return caddytest.WriteFile(filepath.Join(dir, "secret"), value)
	},
	"renamed": func(dir string, _ int, value string) error {
		next := filepath.Join(dir, "next")
		return errors.Join(caddytest.WriteFile(next, value), os.Rename(next, filepath.Join(dir, "secret")))
	},
	"as Kubernetes does": func(dir string, n int, value string) error {
		folder, next := fmt.Sprint("..", n), filepath.Join(dir, "..data_tmp")
		err := errors.Join(
			os.Mkdir(filepath.Join(dir, folder), 0o700),
			caddytest.WriteFile(filepath.Join(dir, folder, "secret"), value),
			os.Symlink(folder, next),
			os.Rename(next, filepath.Join(dir, "..data")),
		)
		if n > 1 {
			return errors.Join(err, os.RemoveAll(filepath.Join(dir, fmt.Sprint("..", n-1))))
		}
		return errors.Join(err, os.Symlink("..data/secret", filepath.Join(dir, "secret")))
	},
}

// TestReplacedSecretFile gives a secret's file a new value in each of these ways. The value
// takes effect with a forced reload, and with nothing less.
func TestReplacedSecretFile(t *testing.T) {
	t.Parallel()
	for name, write := range waysToWrite {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if err := write(dir, 1, caddytest.StaleSecret+"\n"); err != nil {
				t.Fatal(err)
			}
			admin, port := caddytest.FreePort(t), caddytest.FreePort(t)
			c := caddytest.Start(t, fmt.Sprintf(`{
	admin localhost:%d
	skip_install_trust
	auto_https disable_redirects
}
https://localhost:%d {
	telegram_webhook {file.%s/secret}
	respond "taken"
}
`, admin, port, dir))
			client, url := c.Client(), fmt.Sprintf("https://localhost:%d/", port)
			expect := func(when string, stale, right int) {
				t.Helper()
				for secret, want := range map[string]int{caddytest.StaleSecret: stale, caddytest.RightSecret: right} {
					if got := caddytest.Do(t, client, caddytest.Update(t, url, secret)).Status; got != want {
						t.Errorf("%s: %s gets %d, want %d", when, secret, got, want)
					}
				}
			}
			reload := func(flags ...string) {
				t.Helper()
				args := append([]string{"reload", "--config", c.File("Caddyfile")}, flags...)
				if out, err := c.Command(args...).CombinedOutput(); err != nil {
					t.Fatalf("%v\n%s", err, out)
				}
			}
			expect("at the start", http.StatusOK, http.StatusForbidden)
			if err := write(dir, 2, caddytest.RightSecret+"\n"); err != nil {
				t.Fatal(err)
			}
			expect("before the reload", http.StatusOK, http.StatusForbidden)
			reload()
			expect("after a reload without --force", http.StatusOK, http.StatusForbidden)
			reload("--force")
			expect("after the forced reload", http.StatusForbidden, http.StatusOK)
		})
	}
}
