package e2e

import (
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/caddy-telegram/telegramwebhook/internal/telegramtest"
)

const reloads = 50

// Caddy takes on one configuration after the other while genuine updates arrive
// on 40 connections, and forged ones among them. There is no moment in which an
// update is lost or turned away, and none in which the gate stands open.
func TestReloadUnderLoad(t *testing.T) {
	bot := startBot(t, goTelegram, "")
	caddy := startCaddy(t, site{bot: bot, admin: loopback(freePort(t))})
	telegram := newTelegram(t, caddy, 0)
	stopFlow := telegram.flow()
	stopForging := forgeWithoutEnd(caddy, 4)

	for range reloads {
		caddy.reload()
		generation := strconv.Itoa(caddy.site.generation)
		telegram.await("the new configuration answers an update", func(a telegramtest.Attempt) bool {
			return a.Delivered && a.Header.Get("X-Generation") == generation
		})
	}

	forged := stopForging()
	last := stopFlow()
	telegram.awaitDelivered()
	bot.awaitAll(last)
	bot.mustHaveSeenOnlyGenuine(t)

	// Caddy closes the connections that are idle when it reloads. An update that
	// is on its way just then has no answer, and Telegram sends it again at once.
	telegram.mustHaveSeenOnly(http.StatusOK, 0)
	for status, n := range forged {
		if status != http.StatusForbidden && status != 0 {
			t.Errorf("%d forged updates were answered %d", n, status)
		}
	}
	if forged[http.StatusForbidden] < reloads {
		t.Errorf("only %d forged updates were answered", forged[http.StatusForbidden])
	}

	stats := telegram.Stats()
	t.Logf("%d reloads, %d genuine updates on %d connections, %d requests cut and sent again, %d updates came twice, %d forged ones refused and %d cut",
		reloads, last, stats.Connections, telegram.statuses()[0], len(bot.arrived)-int(last), forged[http.StatusForbidden], forged[0])
}

// forgeWithoutEnd has forgers post until stop is called: it returns how many of
// their updates were answered with each status, 0 for none.
func forgeWithoutEnd(c *caddy, forgers int) (stop func() map[int]int) {
	var mu sync.Mutex
	answered := make(map[int]int)
	var stopped atomic.Bool
	var wg sync.WaitGroup
	for range forgers {
		f := newForger(c)
		wg.Go(func() {
			for i := 0; !stopped.Load(); i++ {
				status, body, _ := f.post(forgeries[i%len(forgeries)])
				if body != "" {
					status = -1 // whatever was said, it is too much
				}
				mu.Lock()
				answered[status]++
				mu.Unlock()
			}
		})
	}
	stop = func() map[int]int {
		stopped.Store(true)
		wg.Wait()
		return answered
	}
	c.t.Cleanup(func() { stop() })
	return stop
}
