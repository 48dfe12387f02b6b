package registrar

// An attempt walks through the table: it takes the first row whose facts fit,
// carries out the action, and repeats that with the facts which are known then,
// until a row leads to a state. An action that fails leads to Failing instead;
// only a deletion that fails leaves everything as it was.
var table = []row{
	// {all of these facts, none of these, action, state after it}
	{replaced, 0, nothing, Superseded},                              // the newer configuration works
	{deleteOrdered, 0, deleteWebhook, Deleted},                      // a person decides
	{ours | deleted, registerOrdered, nothing, Deleted},             // it stays deleted
	{superseded, registerOrdered, nothing, Superseded},              // it never calls
	{newBot, suspected, nothing, Pending},                           // it waits for its turn
	{0, secretKnown, renewSecret, ""},                               // before it is compared with the record
	{current | askedLately | contested, urgent, nothing, Contested}, // as another node has found
	{current | askedLately, urgent, nothing, Registered},            // as another node has found
	{0, asked, getWebhookInfo, ""},                                  // before setWebhook too: if this fails, so would that, half-way perhaps
	{registerOrdered, 0, setWebhook, Registered},                    // a person decides
	{0, ours, setWebhook, Registered},                               // a new configuration
	{0, sameSecret, setWebhook, Registered},                         // a renewed secret
	{changed | repairedOften, 0, leaveContested, Contested},         // a repair would be the next move in a fight
	{changed, 0, repair, Registered},                                // by somebody else
	{suspected, 0, setWebhook, Registered},                          // Telegram does not tell which secret it has
	{0, 0, keep, Registered},                                        // all is as it was
}

// row is a row of the table.
type row struct {
	all, none facts
	action    action
	state     State // empty if the walk goes on
}

// facts is a set of what is known in an attempt.
type facts uint16

const (
	replaced        facts = 1 << iota // a newer configuration of this process leads
	deleteOrdered                     // a person wants the webhook deleted
	registerOrdered                   // a person wants it registered, whatever Telegram has
	ours                              // the record is of this configuration
	deleted                           // the record says that a person has deleted the webhook
	superseded                        // the record is of another configuration, which has taken over from this one
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

// action is what an attempt does.
type action int

const (
	nothing        action = iota
	renewSecret           // take the next step of a rotation, if one is due
	getWebhookInfo        // ask Telegram what it has
	setWebhook            // register the webhook
	repair                // register it again after somebody else has changed it
	leaveContested        // leave it to somebody else for a while
	keep                  // record that Telegram has what it is to have
	deleteWebhook         // delete the webhook
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
