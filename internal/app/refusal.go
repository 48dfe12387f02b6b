package app

import (
	"net/http"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-telegram/telegramwebhook/internal/deliver"
)

// refusal is an answer with which the bot has refused a genuine update.
type refusal struct {
	at     time.Time
	status int
	remedy string
}

// RecordAnswer takes note of the bot's answer to a genuine update. A refusal is logged
// once for a configuration, since it is rarely about the one update.
func (w *Webhook) RecordAnswer(outcome deliver.Outcome) {
	remedy := outcome.Remedy()
	if remedy == "" {
		if w.refusal.Load() != nil { // reading costs other requests nothing
			w.refusal.Store(nil)
		}
		return
	}
	w.refusal.Store(&refusal{time.Now(), outcome.Status, remedy})
	if running := w.registrar.Load(); running != nil && outcome.Status == http.StatusForbidden {
		running.RecordForbidden()
	}
	w.warnRefusal.Do(func() {
		w.logger.Warn("update refused by the bot", w.NameField(), zap.Int("status", outcome.Status), zap.String("remedy", remedy))
	})
}
