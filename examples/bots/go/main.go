// A bot on github.com/go-telegram/bot behind the gate.
package main

import (
	"cmp"
	"context"
	"log"
	"net/http"
	"os"

	"github.com/go-telegram/bot"
	"github.com/go-telegram/bot/models"
)

func main() {
	b, err := bot.New(os.Getenv("TELEGRAM_BOT_TOKEN"),
		bot.WithServerURL(cmp.Or(os.Getenv("TELEGRAM_API"), "https://api.telegram.org")),
		bot.WithSkipGetMe(), // it starts while Telegram is out of reach, too
		bot.WithDefaultHandler(echo))
	if err != nil {
		log.Fatal(err)
	}
	// No bot.WithWebhookSecretToken: the gate checks the secret.
	go b.StartWebhook(context.Background())
	log.Fatal(http.ListenAndServe("127.0.0.1:"+cmp.Or(os.Getenv("PORT"), "8080"), b.WebhookHandler()))
}

func echo(ctx context.Context, b *bot.Bot, update *models.Update) {
	if update.Message == nil || update.Message.Text == "" {
		return
	}
	message := &bot.SendMessageParams{ChatID: update.Message.Chat.ID, Text: update.Message.Text}
	if _, err := b.SendMessage(ctx, message); err != nil {
		log.Print(err)
	}
}
