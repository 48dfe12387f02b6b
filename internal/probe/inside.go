package probe

import (
	"cmp"
	"fmt"
	"time"

	"github.com/caddy-telegram/telegramwebhook/internal/printable"
	"github.com/caddy-telegram/telegramwebhook/internal/status"
)

// inside is an audit of what a webhook's own Caddy knows of it.
type inside struct {
	audit
	status.Webhook
	now time.Time
}

// Inside runs the checks that cannot be made from outside, on what the admin API
// has answered. It makes no requests.
func Inside(s status.Webhook, now time.Time) []Finding {
	i := &inside{Webhook: s, now: now}
	i.checkRegistration()
	if s.Telegram != nil {
		i.checkTelegram(*s.Telegram)
		i.checkLastError(*s.Telegram)
		i.checkPending(*s.Telegram)
	}
	i.checkSecret()
	i.checkRequests()
	if s.Listener != nil {
		i.pass("listener", "dropped "+s.Listener.Words())
	}
	return i.findings
}

func (i *inside) ago(at time.Time) string { return printable.Span(i.now.Sub(at)) + " ago" }

// registrations says for each state that is not well how bad it is.
var registrations = map[string]Result{"pending": Warn, "superseded": Warn, "failing": Fail, "contested": Fail, "deleted": Fail}

func (i *inside) checkRegistration() {
	const check = "registration"
	switch {
	case i.State == status.Unmanaged:
		i.pass(check, "something else registers the webhook, and this Caddy does not know how it stands")
	case i.Well():
		seen := "registered"
		if i.RegisteredBy != "" {
			seen += fmt.Sprintf(" %s by %s", i.ago(i.RegisteredAt), i.show(i.RegisteredBy))
		}
		i.pass(check, seen)
	default:
		i.report(check, cmp.Or(registrations[i.State], Fail), i.Trouble(), i.Advice)
	}
}

// checkTelegram compares with what Telegram has.
func (i *inside) checkTelegram(t status.Telegram) {
	const check = "telegram"
	switch asked := ", asked " + i.ago(t.At); {
	case t.URL == "":
		i.fail(check, "has no webhook"+asked, "see registration; `register` registers it now")
	case t.URL != cmp.Or(i.URL, i.Address):
		i.fail(check, "sends to "+i.show(t.URL)+asked, "find who else uses this bot token; `register` takes the webhook back")
	default:
		i.pass(check, "has this url"+asked)
	}
}

const reach = "see that Telegram reaches the webhook and that the bot answers 200 in time; `send` shows how Telegram takes its answer"

// checkLastError judges the last error by its age, and by whether updates wait:
// it stays when things go well again.
func (i *inside) checkLastError(t status.Telegram) {
	const check = "last error"
	switch seen := t.Trouble(i.now); {
	case !t.Recently(i.now):
		i.pass(check, seen)
	case t.Pending > 0:
		i.fail(check, fmt.Sprintf("%s, and %s", seen, waiting(t.Pending)), reach)
	default:
		i.warn(check, seen+", but no update waits", reach)
	}
}

func waiting(updates int) string {
	if updates == 1 {
		return "1 update waits"
	}
	return fmt.Sprintf("%d updates wait", updates)
}

// manyPending is more than waits when the bot keeps up.
const manyPending = 100

func (i *inside) checkPending(t status.Telegram) {
	const check = "pending"
	seen := fmt.Sprintf("%s, asked %s", waiting(t.Pending), i.ago(t.At))
	if t.Pending > manyPending {
		i.warn(check, seen, "see last error; if there is none, the bot is too slow for what comes")
		return
	}
	i.pass(check, seen)
}

func (i *inside) checkSecret() {
	const check = "secret"
	switch seen := i.Secret.Words(i.now); {
	case i.Secret.Weak:
		i.warn(check, seen, "take a random one, as `secret` prints it")
	case i.Secret.Overdue(i.now):
		i.warn(check, seen, "see registration, and the log for why it was not renewed; `rotate` tries it now")
	default:
		i.pass(check, seen)
	}
}

// checkRequests looks for refusals of what may be Telegram's own. Others are
// everyday: the address is public, and an audit is refused too.
func (i *inside) checkRequests() {
	const check = "requests"
	seen := fmt.Sprintf("%d passed, refused %s", i.Passed(), i.Refused())
	switch {
	case i.Requests["too_large"] > 0:
		i.warn(check, seen, "updates with the right secret are longer than max_body; raise it")
	case i.Passed() == 0 && i.Requests["plain_http"]+i.Requests["wrong_source"] > 0:
		i.warn(check, seen, "if Telegram comes by way of a proxy, set trusted_proxies; docs/logs.md says what each reason means")
	default:
		i.pass(check, seen)
	}
}
