// A bot on gopkg.in/telebot.v4 behind the gate.
package main

import (
	"cmp"
	"encoding/json"
	"log"
	"net/http"
	"os"

	tele "gopkg.in/telebot.v4"
)

func main() {
	b, err := tele.NewBot(tele.Settings{
		URL:         cmp.Or(os.Getenv("TELEGRAM_API"), tele.DefaultApiURL),
		Token:       os.Getenv("TELEGRAM_BOT_TOKEN"),
		Synchronous: true, // Telegram is answered after the handler
		OnError: func(err error, c tele.Context) {
			log.Print(err)
			c.Set("error", err)
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	b.Handle(tele.OnText, func(c tele.Context) error { return c.Send(c.Text()) })

	// No b.Start, which polls or calls setWebhook, and no check of the secret,
	// which is the gate's.
	webhook := func(w http.ResponseWriter, r *http.Request) {
		var update tele.Update
		if err := json.NewDecoder(r.Body).Decode(&update); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		c := b.NewContext(update)
		b.ProcessContext(c)
		if c.Get("error") != nil {
			w.WriteHeader(http.StatusInternalServerError) // Telegram sends the update again
		}
	}
	log.Fatal(http.ListenAndServe("127.0.0.1:"+cmp.Or(os.Getenv("PORT"), "8080"), http.HandlerFunc(webhook)))
}
