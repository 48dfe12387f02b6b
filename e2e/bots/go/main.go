// Command go is a bot on github.com/go-telegram/bot. It answers Telegram after its
// handler is through, or first, as the library's own WebhookHandler does.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/go-telegram/bot"
	"github.com/go-telegram/bot/models"
)

// answersFirst is set for a bot that Telegram has its answer from before the
// handler begins.
var answersFirst = os.Getenv("BOT_ANSWERS") == "first"

func main() {
	secret := os.Getenv("BOT_SECRET")
	options := []bot.Option{
		bot.WithServerURL(os.Getenv("BOT_API")),
		bot.WithMiddlewares(attend),
		bot.WithDefaultHandler(func(context.Context, *bot.Bot, *models.Update) {}),
		bot.WithMessageTextHandler("say ", bot.MatchTypePrefix, say),
		bot.WithMessageTextHandler("reply ", bot.MatchTypePrefix, reply),
		bot.WithMessageTextHandler("throw ", bot.MatchTypePrefix, throw),
		bot.WithMessageTextHandler("retry ", bot.MatchTypePrefix, retry),
		bot.WithMessageTextHandler("slow ", bot.MatchTypePrefix, slow),
		bot.WithCallbackQueryDataHandler("", bot.MatchTypePrefix, press),
	}
	if !answersFirst {
		options = append(options, bot.WithNotAsyncHandlers())
	} else if secret != "" {
		options = append(options, bot.WithWebhookSecretToken(secret))
	}
	b, err := bot.New(os.Getenv("BOT_TOKEN"), options...)
	if err != nil {
		log.Fatal(err)
	}
	webhook := answerAfter(b, secret)
	if answersFirst {
		go b.StartWebhook(context.Background())
		webhook = b.WebhookHandler()
	}

	listener, err := net.Listen("tcp", os.Getenv("BOT_LISTEN"))
	if err != nil {
		log.Fatal(err)
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	server := &http.Server{Handler: arrive(webhook)}
	go func() { _ = server.Serve(listener) }()
	report(event{Event: "listening"})
	go obey()

	<-stop
	report(event{Event: "stopping"})
	_ = server.Shutdown(context.Background())
	atWork.Wait()
}

// obey lets slow handlers go on. Whoever started the bot holds its standard input
// open.
func obey() {
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		close(gate(in.Text()))
	}
	os.Exit(0)
}

var (
	gatesMu sync.Mutex
	gates   = make(map[string]chan struct{})
)

// gate is closed once the handlers of that name may go on.
func gate(name string) chan struct{} {
	gatesMu.Lock()
	defer gatesMu.Unlock()
	if gates[name] == nil {
		gates[name] = make(chan struct{})
	}
	return gates[name]
}

// atWork is what a bot that answers first has to wait for before it ends.
var atWork sync.WaitGroup

// attend reports when a handler begins and when it is through.
func attend(next bot.HandlerFunc) bot.HandlerFunc {
	return func(ctx context.Context, b *bot.Bot, update *models.Update) {
		atWork.Add(1)
		defer atWork.Done()
		if answersFirst {
			// The handler has a goroutine to itself, in which a panic would
			// end the process. Otherwise net/http sees to it.
			defer func() {
				if err := recover(); err != nil {
					log.Print(err)
				}
			}()
		}
		report(event{Event: "began", UpdateID: update.ID})
		next(ctx, b, update)
		report(event{Event: "handled", UpdateID: update.ID})
	}
}

// say answers by a call.
func say(ctx context.Context, b *bot.Bot, update *models.Update) {
	if _, err := b.SendMessage(ctx, message(update, "say ")); err != nil {
		log.Print(err)
	}
}

// reply answers within the answer to Telegram.
func reply(ctx context.Context, _ *bot.Bot, update *models.Update) {
	answerWith(ctx, message(update, "reply "))
}

func answerWith(ctx context.Context, message *bot.SendMessageParams) {
	answer := struct {
		Method string `json:"method"`
		*bot.SendMessageParams
	}{"sendMessage", message}
	*ctx.Value(answerKey{}).(*any) = answer
}

func message(update *models.Update, word string) *bot.SendMessageParams {
	return &bot.SendMessageParams{ChatID: update.Message.Chat.ID, Text: strings.TrimPrefix(update.Message.Text, word)}
}

func press(ctx context.Context, b *bot.Bot, update *models.Update) {
	query := update.CallbackQuery
	answer := &bot.AnswerCallbackQueryParams{CallbackQueryID: query.ID, Text: "✓ " + query.Data}
	if _, err := b.AnswerCallbackQuery(ctx, answer); err != nil {
		log.Print(err)
	}
}

var (
	triesMu sync.Mutex
	tries   = make(map[int64]int)
)

// throw fails on the first tries, on as many as the message says.
func throw(_ context.Context, _ *bot.Bot, update *models.Update) {
	limit, _ := strconv.Atoi(strings.TrimPrefix(update.Message.Text, "throw "))
	fail(update, limit)
}

func fail(update *models.Update, limit int) {
	triesMu.Lock()
	defer triesMu.Unlock()
	tries[update.ID]++
	if tries[update.ID] <= limit {
		panic("try " + strconv.Itoa(tries[update.ID]))
	}
}

// retry fails on the first try, and answers on the next within the answer to Telegram.
func retry(ctx context.Context, _ *bot.Bot, update *models.Update) {
	fail(update, 1)
	answerWith(ctx, message(update, "retry "))
}

// slow takes until it is told to go on.
func slow(_ context.Context, _ *bot.Bot, update *models.Update) {
	<-gate(strings.TrimPrefix(update.Message.Text, "slow "))
}

// event is a line of the report on standard output.
type event struct {
	Event    string  `json:"event"`
	Path     string  `json:"path,omitempty"`
	Secret   *string `json:"secret,omitempty"`
	UpdateID int64   `json:"update_id,omitempty"`
	Body     string  `json:"body,omitempty"`
}

var (
	outMu sync.Mutex
	out   = json.NewEncoder(os.Stdout)
)

func report(e event) {
	outMu.Lock()
	defer outMu.Unlock()
	_ = out.Encode(e)
}
