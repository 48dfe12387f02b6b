package registrar

import (
	"context"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/caddy-telegram/telegramwebhook/internal/status"
)

// actionName returns the name of an action's method.
func actionName(action func(*attempt, context.Context) error) string {
	if action == nil {
		return "nothing"
	}
	name := runtime.FuncForPC(reflect.ValueOf(action).Pointer()).Name()
	return name[strings.LastIndex(name, ".")+1:]
}

// TestTable walks the table row by row: an example of the facts that each row is
// for, what is done then, and the state after that.
func TestTable(t *testing.T) {
	const fresh = ours | sameSecret | secretKnown | asked
	rows := []struct {
		when   string
		facts  facts
		action string
		state  string
	}{
		{"a newer configuration of this process leads", replaced | deleteOrdered | registerOrdered, "nothing", status.Superseded},
		{"a person deletes it", deleteOrdered | superseded, "deleteWebhook", status.Deleted},
		{"a person has deleted it", ours | deleted | suspected, "forgetSecrets", status.Deleted},
		{"another node has a newer configuration", superseded | deleted, "nothing", status.Superseded},
		{"Telegram takes no new bots now", newBot, "nothing", status.Pending},
		{"there is no record", unrecorded, "getWebhookInfo", ""},
		{"the secret is not known yet", ours | askedLately, "renewSecret", ""},
		{"another node has found it contested", ours | sameSecret | secretKnown | askedLately | contested, "nothing", status.Contested},
		{"another node has found it in order", ours | sameSecret | secretKnown | askedLately, "nothing", status.Registered},
		{"Telegram was not asked yet", ours | sameSecret | secretKnown | askedLately | suspected, "getWebhookInfo", ""},
		{"a person registers it", fresh | registerOrdered | deleted | askedLately, "setWebhook", status.Registered},
		{"a new configuration", sameSecret | secretKnown | asked | changed | repairedOften, "setWebhook", status.Registered},
		{"somebody else has changed it too often, whatever the secret", ours | secretKnown | asked | changed | repairedOften | suspected, "leaveContested", status.Contested},
		{"updates are refused too often", fresh | suspected | repairedOften, "leaveContested", status.Contested},
		{"a new secret", ours | secretKnown | asked | changed, "replaceSecret", status.Registered},
		{"somebody else has changed it", fresh | changed, "repair", status.Registered},
		{"the secret may be out of step", fresh | suspected, "repair", status.Registered},
		{"all is as it was", fresh | contested, "keep", status.Registered},
	}
	if len(rows) != len(table) {
		t.Fatalf("%d rows are tested, want all %d", len(rows), len(table))
	}
	for n, want := range rows {
		got := next(want.facts)
		if got.all != table[n].all || got.none != table[n].none {
			t.Errorf("%s: another row fits: %+v", want.when, got)
		}
		if action := actionName(got.action); action != want.action || got.state != want.state {
			t.Errorf("%s: got action %s and state %q, want %s and %q", want.when, action, got.state, want.action, want.state)
		}
	}
}

// TestEveryFact looks at all sets of facts for what must hold whatever else is known.
func TestEveryFact(t *testing.T) {
	for known := facts(0); known <= current|urgent|repairedOften<<1-1; known++ {
		has := func(some facts) bool { return known&some == some }
		row := next(known)
		action := actionName(row.action)
		switch {
		case has(replaced) && row.action != nil:
			t.Errorf("%b: a replaced configuration does something", known)
		case has(superseded) && !has(ours) && !has(registerOrdered) && !has(deleteOrdered) && row.action != nil:
			t.Errorf("%b: a superseded configuration does something", known)
		case has(ours|deleted) && !has(registerOrdered) && !has(deleteOrdered) && !has(replaced) && action != "forgetSecrets":
			t.Errorf("%b: a deleted webhook is not left alone", known)
		case slices.Contains([]string{"setWebhook", "replaceSecret", "repair"}, action) && !has(asked|secretKnown):
			t.Errorf("%b: setWebhook is called before Telegram was asked, or without a secret", known)
		case action == "deleteWebhook" && !has(deleteOrdered):
			t.Errorf("%b: the webhook is deleted without an order", known)
		case row.state == "" && action == "renewSecret" && has(secretKnown), row.state == "" && action == "getWebhookInfo" && has(asked):
			t.Errorf("%b: the walk does not end", known)
		}
	}
}
