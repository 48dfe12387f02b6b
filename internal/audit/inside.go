package audit

import (
	"fmt"
	"time"

	"github.com/caddy-telegram/telegramwebhook/internal/boundedlog"
	"github.com/caddy-telegram/telegramwebhook/internal/status"
)

func ago(at time.Time) string { return boundedlog.Span(time.Since(at)) + " ago" }

func (a *audit) checkRegistration() Finding {
	w, problem := a.Status, a.line(a.Status.Problem())
	has, ok := w.AtTelegram()
	switch {
	case problem != "" && w.Well():
		return warn(problem, w.Advice)
	case w.State == status.Polling:
		return pass(fmt.Sprintf("none: the updates are fetched, last %s, and %d wait", ago(w.Polling.FetchedAt), w.Polling.Waiting))
	case w.State == status.Standby:
		return pass("none: another node fetches the updates")
	case w.State == status.Unmanaged:
		return pass("nothing registers the webhook here: there is no bot_token; Telegram was not asked")
	case w.State == status.Pending, w.State == status.Superseded:
		return warn(problem, w.Advice)
	case problem != "":
		return fail(problem, w.Advice)
	case has != "" && !ok:
		return fail(fmt.Sprintf("Telegram has %s, asked %s", a.line(has), ago(w.Telegram.At)),
			"find who else uses this bot token; `register` takes the webhook back")
	case w.RegisteredBy == "":
		return pass("registered")
	}
	return pass(fmt.Sprintf("registered %s by %s", ago(w.RegisteredAt), a.line(w.RegisteredBy)))
}

// checkLastError judges the error by its age and by the updates that wait, since it stays
// after later successes.
func (a *audit) checkLastError() Finding {
	const remedy = "check that Telegram reaches the webhook and that the bot answers 200 in time; `send` shows how Telegram takes the answer"
	t := a.Status.Telegram
	if t.LastError == "" {
		return pass("none")
	}
	seen := a.line(t.LastError) + ", " + ago(t.LastErrorAt)
	switch {
	case !t.Recently(time.Now()):
		return pass(seen)
	case t.Pending > 0:
		return fail(seen, remedy)
	default:
		return warn(seen, remedy)
	}
}

func (a *audit) checkPending() Finding {
	t := a.Status.Telegram
	seen := fmt.Sprintf("%d updates, asked %s", t.Pending, ago(t.At))
	if t.Pending > 100 { // more than while the bot keeps up
		return warn(seen, "see \"last error\"; if there is none, make the bot faster")
	}
	return pass(seen)
}

func (a *audit) checkSecretAge() Finding {
	s, now := a.Status.Secret, time.Now()
	if s.Made.IsZero() {
		return pass("not known: the secret is " + s.Source)
	}
	age := boundedlog.Span(now.Sub(s.Made))
	if s.Overdue(now) {
		return warn(fmt.Sprintf("%s, its rotation is overdue by %s", age, boundedlog.Span(now.Sub(s.Due))),
			"see \"registration\" and the log for the reason; `rotate` replaces the secret now")
	}
	return pass(age)
}
