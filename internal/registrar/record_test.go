package registrar

import (
	"encoding/json"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddy-telegram/telegramwebhook/internal/botapi"
	"github.com/caddy-telegram/telegramwebhook/internal/storagetest"
)

// TestForgetFuture corrects times of a clock that was wrong.
func TestForgetFuture(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	ahead, year := now.Add(time.Minute), now.AddDate(1, 0, 0)
	for name, tc := range map[string]struct{ rec, want record }{
		"nothing":               {record{}, record{}},
		"a clock a little fast": {record{RegisteredAt: ahead, CheckedAt: ahead, ToldAt: ahead}, record{RegisteredAt: ahead, CheckedAt: ahead, ToldAt: ahead}},
		"registered in a year":  {record{RegisteredAt: year, CheckedAt: now}, record{CheckedAt: now}},
		"looked at in a year":   {record{RegisteredAt: now, CheckedAt: year}, record{RegisteredAt: now}},
		"told in a year":        {record{Told: new(botapi.WebhookInfo), ToldAt: year}, record{}},
		"an error in a year":    {record{Told: &botapi.WebhookInfo{LastErrorDate: year}, ToldAt: now}, record{ToldAt: now}},
		"repairs in a year":     {record{Repairs: []time.Time{year, now, year}}, record{Repairs: []time.Time{now}}},
	} {
		t.Run(name, func(t *testing.T) {
			tc.rec.forgetFuture(now)
			got, _ := json.Marshal(tc.rec)
			want, _ := json.Marshal(tc.want)
			if string(got) != string(want) {
				t.Errorf("got %.500s, want %.500s", got, want)
			}
		})
	}
}

// TestRefusedThoughRegisteredInTheFuture has a record of a clock that was ahead. A
// 403 that Telegram has met is not taken for older than the registration.
func TestRefusedThoughRegisteredInTheFuture(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api, storage := newTelegram(t), storagetest.NewMemory()
		run(t, "a", api, storage, wanted)
		settle(forbiddenPeriod + time.Minute)
		change(t, storage, func(rec *record) { rec.RegisteredAt = time.Now().AddDate(1, 0, 0) })
		api.meet("Wrong response from the webhook: 403 Forbidden", time.Now())
		settle(2 * interval)
		wantCalls(t, api, 2, "after a 403")
	})
}
