// A bot on github.com/PaulSonOfLars/gotgbot behind the gate.
package main

import (
	"cmp"
	"encoding/json"
	"log"
	"net/http"
	"os"

	"github.com/PaulSonOfLars/gotgbot/v2"
	"github.com/PaulSonOfLars/gotgbot/v2/ext"
	"github.com/PaulSonOfLars/gotgbot/v2/ext/handlers"
	"github.com/PaulSonOfLars/gotgbot/v2/ext/handlers/filters/message"
)

func main() {
	api := cmp.Or(os.Getenv("TELEGRAM_API"), gotgbot.DefaultAPIURL)
	b, err := gotgbot.NewBot(os.Getenv("TELEGRAM_BOT_TOKEN"), &gotgbot.BotOpts{
		BotClient:         &gotgbot.BaseBotClient{DefaultRequestOpts: &gotgbot.RequestOpts{APIURL: api}},
		DisableTokenCheck: true, // it starts while Telegram is out of reach, too
	})
	if err != nil {
		log.Fatal(err)
	}
	failed := func(_ *gotgbot.Bot, ctx *ext.Context, err error) ext.DispatcherAction {
		ctx.Data["error"] = err
		return ext.DispatcherActionEndGroups
	}
	dispatcher := ext.NewDispatcher(&ext.DispatcherOpts{Error: failed})
	dispatcher.AddHandler(handlers.NewMessage(message.Text, echo))

	// No ext.Updater, whose server cannot serve "/", and no check of the secret,
	// which is the gate's.
	webhook := func(w http.ResponseWriter, r *http.Request) {
		var update gotgbot.Update
		result := map[string]any{}
		err := json.NewDecoder(r.Body).Decode(&update)
		if err == nil {
			err = dispatcher.ProcessUpdate(b, &update, result)
		}
		if err == nil {
			err, _ = result["error"].(error)
		}
		if err != nil {
			log.Print(err)
			w.WriteHeader(http.StatusInternalServerError) // Telegram sends the update again
		}
	}
	log.Fatal(http.ListenAndServe("127.0.0.1:"+cmp.Or(os.Getenv("PORT"), "8080"), http.HandlerFunc(webhook)))
}

func echo(b *gotgbot.Bot, ctx *ext.Context) error {
	_, err := ctx.EffectiveChat.SendMessage(b, ctx.EffectiveMessage.Text, nil)
	return err
}
