// Command go is a bot with github.com/go-telegram/bot. It serves TLS and checks the
// secret itself.
package main

import (
	"context"
	"log"
	"net/http"
	"os"

	"github.com/go-telegram/bot"
	"github.com/go-telegram/bot/models"
)

func main() {
	b, err := bot.New(os.Getenv("BOT_TOKEN"),
		bot.WithSkipGetMe(),
		bot.WithWebhookSecretToken(os.Getenv("BOT_SECRET")),
		bot.WithDefaultHandler(func(context.Context, *bot.Bot, *models.Update) {}),
	)
	if err != nil {
		log.Fatal(err)
	}
	go b.StartWebhook(context.Background())
	log.Fatal(http.ListenAndServeTLS("127.0.0.1:"+os.Getenv("BOT_PORT"), os.Getenv("BOT_CERT"), os.Getenv("BOT_KEY"), b.WebhookHandler()))
}
