// Command go is a bot on github.com/go-telegram/bot in webhook mode. It says on
// standard output, one JSON object a line, what came to it and what it handled.
package main

import (
	"context"
	"encoding/json"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strings"

	"github.com/go-telegram/bot"
	"github.com/go-telegram/bot/models"
)

const secretHeader = "X-Telegram-Bot-Api-Secret-Token"

// event is a line of the report.
type event struct {
	Event    string  `json:"event"`
	Path     string  `json:"path,omitempty"`
	Secret   *string `json:"secret,omitempty"`
	UpdateID int64   `json:"update_id,omitempty"`
}

// reports has room, so that a handler does not wait for the reader.
var reports = make(chan event, 4096)

func main() {
	go func() {
		out := json.NewEncoder(os.Stdout)
		for e := range reports {
			_ = out.Encode(e)
		}
	}()

	options := []bot.Option{
		bot.WithSkipGetMe(),
		bot.WithServerURL(os.Getenv("BOT_API")),
		bot.WithMiddlewares(handled),
		bot.WithDefaultHandler(func(context.Context, *bot.Bot, *models.Update) {}),
		bot.WithMessageTextHandler("say ", bot.MatchTypePrefix, say),
	}
	if secret := os.Getenv("BOT_SECRET"); secret != "" {
		options = append(options, bot.WithWebhookSecretToken(secret))
	}
	b, err := bot.New(os.Getenv("BOT_TOKEN"), options...)
	if err != nil {
		log.Fatal(err)
	}
	go b.StartWebhook(context.Background())

	listener, err := net.Listen("tcp", os.Getenv("BOT_LISTEN"))
	if err != nil {
		log.Fatal(err)
	}
	reports <- event{Event: "listening"}
	go func() { log.Fatal(http.Serve(listener, arrived(b.WebhookHandler()))) }()

	// Whoever started the bot holds its standard input open.
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// arrived reports a request before the library sees it, so that one that the
// library turns away shows too.
func arrived(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e := event{Event: "arrived", Path: r.URL.Path}
		if values := r.Header.Values(secretHeader); len(values) > 0 {
			e.Secret = &values[0]
		}
		reports <- e
		next.ServeHTTP(w, r)
	})
}

// handled reports an update once its handler is through.
func handled(next bot.HandlerFunc) bot.HandlerFunc {
	return func(ctx context.Context, b *bot.Bot, update *models.Update) {
		next(ctx, b, update)
		reports <- event{Event: "handled", UpdateID: update.ID}
	}
}

// say sends back what follows the word.
func say(ctx context.Context, b *bot.Bot, update *models.Update) {
	_, err := b.SendMessage(ctx, &bot.SendMessageParams{
		ChatID: update.Message.Chat.ID,
		Text:   strings.TrimPrefix(update.Message.Text, "say "),
	})
	if err != nil {
		log.Print(err)
	}
}
