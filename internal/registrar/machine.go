package registrar

import "context"

// An attempt walks through the table: it takes the first row whose facts fit,
// carries out the action, and repeats that with the facts which are known then,
// until a row leads to a state. An action that fails leads to Failing instead;
// only a deletion that fails leaves everything as it was.
var table = []row{
	// {all of these facts, none of these, action, state after it, reason}
	{replaced, 0, nil, Superseded, "the newer configuration works"},
	{deleteOrdered, 0, (*attempt).deleteWebhook, Deleted, "ordered"},
	{ours | deleted, registerOrdered, (*attempt).forgetSecrets, Deleted, "it stays deleted"},
	{superseded, registerOrdered, nil, Superseded, "it never calls"},
	{newBot, suspected, nil, Pending, "it waits for its turn"},
	{unrecorded, asked | secretKnown, (*attempt).getWebhookInfo, "", "a first secret is made, and Telegram may have another one"},
	{0, secretKnown, (*attempt).renewSecret, "", "before it is compared with the record"},
	{current | askedLately | contested, urgent, nil, Contested, "another node has found that"},
	{current | askedLately, urgent, nil, Registered, "another node has found that"},
	{0, asked, (*attempt).getWebhookInfo, "", "if this fails, so would setWebhook, half-way perhaps"},
	{registerOrdered, 0, (*attempt).setWebhook, Registered, "ordered"},
	{0, ours, (*attempt).setWebhook, Registered, "new configuration"},
	{changed | repairedOften, 0, (*attempt).leaveContested, Contested, "a repair would be the next move in a fight"},
	{suspected | repairedOften, 0, (*attempt).leaveContested, Contested, "a repair would be the next move in a fight"},
	{0, sameSecret, (*attempt).replaceSecret, Registered, "new secret"},
	{changed, 0, (*attempt).repair, Registered, "changed by somebody else"},
	{suspected, 0, (*attempt).repair, Registered, "updates refused for their secret"},
	{0, 0, (*attempt).keep, Registered, "all is as it was"},
}

type row struct {
	all, none facts
	action    func(*attempt, context.Context) error // nil to do nothing
	state     State                                 // empty if the walk goes on
	reason    string                                // logged if it leads to a registration
}

// facts is a set of what is known in an attempt.
type facts uint32

const (
	replaced        facts = 1 << iota // a newer configuration of this process leads
	deleteOrdered                     // a person wants the webhook deleted
	registerOrdered                   // a person wants it registered, whatever Telegram has
	ours                              // the record is of this configuration
	deleted                           // the record says that a person has deleted the webhook
	superseded                        // the record is of another configuration, which has taken over from this one
	unrecorded                        // there is no record, or it was lost
	newBot                            // Telegram may not know the bot, and it is not its turn to come
	secretKnown                       // the secret to register is known
	sameSecret                        // the record is of that secret
	askedLately                       // another node, or the configuration before, has asked Telegram a moment ago
	contested                         // the record says that the webhook is contested
	suspected                         // Telegram may have another secret
	asked                             // this attempt has asked Telegram
	changed                           // Telegram has something else than was registered
	repairedOften                     // that was repaired too often in a short time

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
