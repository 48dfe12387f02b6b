package registrar

import (
	"context"
	"slices"

	"go.uber.org/zap"

	"github.com/caddy-telegram/telegramwebhook/internal/status"
)

// An attempt walks through the table: it takes the first row that fits the known facts, carries out the action, and
// repeats that with the facts known then, until a row leads to a state. A failed action leads to Failing, except that a
// failed deletion leaves the state as it was.
var table = []row{
	// {all of these facts, none of these, action, state after it, reason}
	{replaced, 0, nil, status.Superseded, "a newer configuration leads"},
	{deleteOrdered, 0, (*attempt).deleteWebhook, status.Deleted, "ordered"},
	{ours | deleted, registerOrdered, (*attempt).forgetSecrets, status.Deleted, "deleted before"},
	{superseded, registerOrdered, nil, status.Superseded, "another configuration has taken over"},
	{newBot, suspected, nil, status.Pending, "waiting for its turn"},
	{unrecorded, asked | secretKnown, (*attempt).getWebhookInfo, "", "Telegram may have a secret already"},
	{0, secretKnown, (*attempt).renewSecret, "", "the record names the secret"},
	{current | askedLately | contested, urgent, nil, status.Contested, "found by another node"},
	{current | askedLately, urgent, nil, status.Registered, "found by another node"},
	{0, asked, (*attempt).getWebhookInfo, "", "a failing setWebhook may erase the webhook, so ask first"},
	{registerOrdered, 0, (*attempt).setWebhook, status.Registered, "ordered"},
	{0, ours, (*attempt).setWebhook, status.Registered, "new configuration"},
	{changed | repairedOften, 0, (*attempt).leaveContested, status.Contested, "a repair would be the next move in a fight"},
	{suspected | repairedOften, 0, (*attempt).leaveContested, status.Contested, "a repair would be the next move in a fight"},
	{0, sameSecret, (*attempt).replaceSecret, status.Registered, "new secret"},
	{changed, 0, (*attempt).repair, status.Registered, "changed by somebody else"},
	{suspected, 0, (*attempt).repair, status.Registered, "updates refused for their secret"},
	{0, 0, (*attempt).keep, status.Registered, "unchanged"},
}

type row struct {
	all, none facts
	action    func(*attempt, context.Context) error // nil to do nothing
	state     string                                // empty if the walk goes on
	reason    string                                // logged with a registration
}

// facts is the set of facts known in an attempt.
type facts uint32

const (
	replaced        facts = 1 << iota // a newer configuration of this process leads
	deleteOrdered                     // a person has ordered the deletion
	registerOrdered                   // a person has ordered the registration
	ours                              // the record is of this configuration
	deleted                           // the record says that a person has deleted the webhook
	superseded                        // the record is of another configuration, which has taken over from this one
	unrecorded                        // there is no record
	newBot                            // the bot may be new to Telegram, and it is not its turn
	secretKnown                       // the secret to register is known
	sameSecret                        // the record is of that secret
	askedLately                       // another node or configuration has just asked Telegram
	contested                         // the record says that the webhook is contested
	suspected                         // Telegram may have another secret
	asked                             // this attempt has asked Telegram
	changed                           // Telegram has another webhook than was registered
	repairedOften                     // another repair would be a fight

	current = ours | sameSecret
	urgent  = registerOrdered | suspected
)

// next returns the row for a set of facts. The last row fits all.
func next(known facts) row {
	for _, row := range table {
		if known&row.all == row.all && known&row.none == 0 {
			return row
		}
	}
	panic("unreachable")
}

// isSuperseded reports whether the configuration of the record has taken over from this
// one. That needs an earlier registration of this one: a new configuration takes over itself.
func (a *attempt) isSuperseded() bool {
	wasOurs := a.ownFingerprint == a.status.fingerprint
	switch {
	case a.rec.Fingerprint != "":
		a.rival = a.rec
	case !wasOurs || a.status.State != status.Superseded: // a lost record: its own nodes make it again
		return false
	}
	// After a restart only the record tells whether this configuration was registered before.
	rival := a.rival
	if !wasOurs && !slices.Contains(rival.Nodes, participant{a.Node.Name, a.status.fingerprint}) {
		return false
	}
	// The nodes with the other configuration may be gone for good. Without checks they
	// show no activity, so they count as active.
	if within(rival.lastActive(), 2*max(rival.Interval, a.Interval)) || wasOurs && rival.Interval == 0 {
		return true
	}
	if a.status.State == status.Superseded {
		a.Logger.Warn("webhook taken over from inactive nodes",
			zap.String("node", rival.Process), zap.Time("last_seen", rival.lastActive()), zap.String("url", rival.URL))
	}
	return false
}
