package main

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"net/http"

	"github.com/go-telegram/bot"
	"github.com/go-telegram/bot/models"
)

const secretHeader = "X-Telegram-Bot-Api-Secret-Token"

// arrive reports a request before anybody looks at it, so that one that is
// turned away shows too.
func arrive(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e := event{Event: "arrived", Path: r.URL.Path}
		if values := r.Header.Values(secretHeader); len(values) > 0 {
			e.Secret = &values[0]
		}
		report(e)
		next.ServeHTTP(w, r)
	})
}

// answerKey is where a handler finds the place for its answer to Telegram.
type answerKey struct{}

// answerAfter is what the library has no handler for: it checks the secret, has
// the update handled, and then answers.
func answerAfter(b *bot.Bot, secret string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if secret != "" && subtle.ConstantTimeCompare([]byte(r.Header.Get(secretHeader)), []byte(secret)) != 1 {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		var update models.Update
		if err := json.NewDecoder(r.Body).Decode(&update); err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		var answer any
		ctx := context.WithValue(r.Context(), answerKey{}, &answer)
		b.ProcessUpdate(context.WithoutCancel(ctx), &update) // whether Telegram still waits or not
		if answer == nil {
			return
		}
		body, err := json.Marshal(answer)
		if err != nil {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		report(event{Event: "answered", Body: string(body)})
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(body)
	}
}
