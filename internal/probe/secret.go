package probe

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"

	"github.com/caddy-telegram/telegramwebhook/internal/botapi"
	"github.com/caddy-telegram/telegramwebhook/internal/delivery"
	"github.com/caddy-telegram/telegramwebhook/internal/wire"
)

const refuse = "refuse with 403 and an empty body"

// checkForgeries sends an update without a secret, and one with a wrong one.
func (a *audit) checkForgeries(ctx context.Context) {
	a.guess = rand.Text()
	a.none = a.ask(ctx, a.target, a.target.Request("", update()))
	a.wrong = a.ask(ctx, a.target, a.target.Request(a.guess, update()))

	remedy := "check the secret on every request"
	if a.none.Delivered() && !a.wrong.Delivered() {
		remedy = "check the secret also when the header is missing; now it is only checked when it is there"
	}
	a.refused("no secret", a.none, remedy)
	a.refused("wrong secret", a.wrong,
		"check the secret, and refuse with 403; an update that is dropped with a 2xx is lost, also when it is Telegram's")
}

// refused reports on an update that must be refused.
func (a *audit) refused(check string, answer *wire.Answer, remedy string) {
	switch status := answer.Status; {
	case answer.Err != nil:
		a.warn(check, "not answered: "+a.why(answer.Err), a.whatToDo(answer.Err, refuse))
	case answer.Delivered():
		a.fail(check, fmt.Sprintf("answered with %d, as if it were genuine", status), remedy)
	case status == 410:
		a.fail(check, "refused with 410, which removes the webhook when Telegram gets it for 23 hours", refuse)
	case status < 200:
		a.fail(check, fmt.Sprintf("answered with %d, which Telegram takes as the final answer", status), "let no 1xx through")
	case 400 <= status && status < 500:
		a.pass(check, fmt.Sprintf("refused with %d", status))
	default:
		a.warn(check, fmt.Sprintf("answered with %d rather than refused", status), refuse)
	}
}

// checkRightSecret delivers an update that bots ignore.
func (a *audit) checkRightSecret(ctx context.Context) {
	const check = "right secret"
	if a.opt.Secret == "" && a.opt.kept() {
		return
	}
	if reason, remedy := a.keepSecret(); reason != "" {
		a.warn(check, "not tried: "+reason, remedy)
		return
	}
	a.right = a.askWithSecret(ctx, unchanged)
	_, never := errors.AsType[unopened](a.right.Err)
	switch _, sentence := delivery.Of(a.right); {
	case never:
		a.fail(check, "not sent: "+a.why(a.right.Err), a.whatToDo(a.right.Err, ""))
	case a.right.Delivered():
		a.pass(check, fmt.Sprintf("passes (%d)", a.right.Status))
	case a.right.Status == 401 || a.right.Status == 403:
		a.fail(check, fmt.Sprintf("refused with %d", a.right.Status), "give the webhook the same secret as this command; if it takes requests from Telegram's addresses only, this machine cannot tell")
	default:
		a.fail(check, a.text.Line(strings.TrimSuffix(sentence, "."), 3*maxShown), "start the bot, and let it answer 200; `send` shows the whole answer")
	}
}

// keepSecret says why the secret cannot be sent.
func (a *audit) keepSecret() (reason, remedy string) {
	switch {
	case a.opt.Secret == "":
		return "no secret was given", "give it in TELEGRAM_WEBHOOK_SECRET or with --secret-file"
	case a.target.TLS && a.verified != nil && !a.opt.Insecure:
		return "the secret is not sent to a server with a bad certificate", "mend the certificate, or send it anyway with --insecure"
	case !a.target.TLS && !a.opt.Insecure && !botapi.Reserved(a.ip):
		return "the secret is not sent in clear over the internet", "use https, or send it anyway with --insecure"
	}
	return "", ""
}

// delivers reports whether the right secret is known to pass.
func (a *audit) delivers() bool { return a.right != nil && a.right.Delivered() }

// checkMethod and checkType try what is never Telegram's.
func (a *audit) checkMethod(ctx context.Context) {
	if a.delivers() {
		a.odd("method", "a GET with the right secret", a.askWithSecret(ctx, asGET), "answer 405 to anything but POST")
	}
}

func (a *audit) checkType(ctx context.Context) {
	if a.delivers() {
		a.odd("type", "text/plain with the right secret", a.askWithSecret(ctx, asText), "answer 415 to anything but application/json")
	}
}

func (a *audit) odd(check, what string, answer *wire.Answer, remedy string) {
	switch {
	case answer.Err != nil:
		a.warn(check, fmt.Sprintf("%s is not answered: %s", what, a.why(answer.Err)), a.whatToDo(answer.Err, remedy))
	case 400 <= answer.Status && answer.Status < 500 && answer.Status != 410:
		a.pass(check, fmt.Sprintf("%s is refused (%d)", what, answer.Status))
	default:
		a.warn(check, fmt.Sprintf("%s is answered with %d", what, answer.Status), remedy)
	}
}
