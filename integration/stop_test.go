package integration

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/caddy-telegram/telegramwebhook/integration/caddytest"
	"github.com/caddy-telegram/telegramwebhook/internal/telegramtest"
)

// TestStopDuringAdminCalls ends a process while calls of its admin API wait for a
// Bot API that does not answer: they get an error, and the process does not wait
// for them. Caddy would, for ten seconds.
func TestStopDuringAdminCalls(t *testing.T) {
	t.Parallel()
	for path, hangs := range map[string]string{
		"bot/register": "setWebhook",
		"bot/rotate":   "getWebhookInfo",
	} {
		t.Run(hangs, func(t *testing.T) {
			t.Parallel()
			api, address := caddytest.StartTelegram(t)
			admin := caddytest.FreePort(t)
			c := caddytest.Start(t, keptSite(caddytest.FreePort(t), address, "127.0.0.1:9", fmt.Sprintf("admin localhost:%d", admin), "name bot"))
			c.Out.Wait(t, "webhook registered")
			called := make(chan struct{}, 100)
			api.Fail(func(method string, _ map[string]string) *telegramtest.Fault {
				if method != hangs {
					return nil
				}
				called <- struct{}{}
				return &telegramtest.Fault{Delay: time.Minute}
			})
			const callers = 5
			answers := make(chan string, callers)
			for range callers {
				go func() { answers <- post(admin, "/telegram_webhook/"+path) }()
			}
			caddytest.Within(t, "the Bot API is called", called)
			_ = c.Cmd.Process.Signal(syscall.SIGTERM)
			watchdog := time.AfterFunc(5*time.Second, func() { _ = c.Cmd.Process.Kill() })
			if err := c.Cmd.Wait(); err != nil {
				t.Errorf("the process has not ended by itself: %v", err)
			}
			watchdog.Stop()
			ended := 0
			for range callers {
				got := caddytest.Within(t, "an answer", answers)
				if strings.HasPrefix(got, "200") {
					t.Errorf("got %s, want an error", got)
				}
				if strings.HasPrefix(got, "502") && strings.Contains(got, "this configuration has ended") {
					ended++
				}
			}
			if ended == 0 { // a caller may have come too late to be told
				t.Error("nobody was told that the configuration has ended")
			}
		})
	}
}

// post asks the admin API for a change, and returns the answer or the error.
func post(admin int, path string) string {
	resp, err := http.Post(fmt.Sprintf("http://localhost:%d%s", admin, path), "", nil)
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	content, err := io.ReadAll(resp.Body)
	return fmt.Sprintf("%s %s %v", resp.Status, content, err)
}
