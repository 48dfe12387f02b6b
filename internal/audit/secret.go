package audit

import (
	"context"
	"fmt"
	"strings"

	"github.com/caddy-telegram/telegramwebhook/internal/telegram"
)

// judgeRefusal judges the answer to an update that must be refused.
func (a *audit) judgeRefusal(answer *telegram.Answer) Finding {
	const remedy = "refuse a request without a secret or with a wrong one, with 403"
	switch status := answer.Status; {
	case answer.Err != nil:
		return warn("not answered: "+a.line(answer.Err.Error()), remedyFor(answer.Err, remedy))
	case answer.Delivered():
		return fail(fmt.Sprintf("answered with %d, as if it were genuine", status), remedy)
	case status == 410:
		return fail("refused with 410, which removes the webhook when Telegram gets it for 23 hours", remedy)
	case status == 503:
		return warn("answered with 503, as by a gate that has no secret yet, or whose storage is away", "see the registration; if it is in order, "+remedy)
	case 400 <= status && status < 500:
		return pass(fmt.Sprintf("refused with %d", status))
	default:
		return warn(fmt.Sprintf("answered with %d instead of a refusal", status), remedy)
	}
}

func (a *audit) checkRightSecret(ctx context.Context) Finding {
	switch {
	case a.Secret == "":
		return warn("not sent: no secret was given", "give it in TELEGRAM_WEBHOOK_SECRET or with --secret-file")
	case a.Insecure:
	case a.untrusted != nil:
		return warn("not sent to a server with a bad certificate", "see \"certificate\", or send it anyway with --insecure")
	case !a.Target.TLS && !telegram.IsReserved(a.addresses[0]):
		return warn("not sent in clear over the internet", "use https, or send it anyway with --insecure")
	}
	a.rightSecret = a.send(ctx, a.Target, a.Secret)
	const remedy = "start the bot, and see that it answers 200; `send` shows the whole answer"
	switch answer := a.rightSecret; {
	case answer.Status == 0:
		return fail("not answered: "+a.line(answer.Err.Error()), remedyFor(answer.Err, remedy))
	case answer.Delivered():
		return pass(fmt.Sprintf("passes (%d)%s", answer.Status, a.text.Line(answer.Effect(), 400)))
	case answer.Status == 401, answer.Status == 403:
		return fail(fmt.Sprintf("refused with %d", answer.Status),
			"give this command the webhook's secret; where `source` allows only Telegram's addresses, 403 is right")
	default:
		return fail(a.text.Line(strings.TrimSuffix(answer.Outcome(), "."), 400), remedy)
	}
}
