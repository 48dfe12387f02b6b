package telegramtest

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestAllowedUpdates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAPI(t, nil, APIOptions{})
		all := `"message","edited_message","channel_post","edited_channel_post","inline_query","chosen_inline_result","callback_query",` +
			`"shipping_query","pre_checkout_query","poll","poll_answer","my_chat_member","chat_member","chat_join_request","chat_boost",` +
			`"removed_chat_boost","message_reaction","message_reaction_count","business_connection","business_message",` +
			`"edited_business_message","deleted_business_messages","purchased_paid_media","guest_message","managed_bot","subscription","stopped_message_generation"`
		for _, step := range []struct {
			params []string
			want   string
		}{
			{[]string{"url", hookURL, "allowed_updates", `["poll","Chat_Member","fly"]`}, `,"allowed_updates":["poll","chat_member"]`},
			{[]string{"url", hookURL + "2"}, `,"allowed_updates":["poll","chat_member"]`},
			{[]string{"url", ""}, `,"allowed_updates":["poll","chat_member"]`},
			{[]string{"url", hookURL}, `,"allowed_updates":["poll","chat_member"]`},
			{[]string{"url", hookURL, "allowed_updates", `not JSON`}, `,"allowed_updates":["poll","chat_member"]`},
			{[]string{"url", hookURL, "allowed_updates", `[1]`}, `,"allowed_updates":["poll","chat_member"]`},
			{[]string{"url", hookURL, "allowed_updates", `null`}, `,"allowed_updates":["poll","chat_member"]`},
			{[]string{"url", hookURL, "allowed_updates", `[]`}, ``},
			{[]string{"url", hookURL, "allowed_updates", `[` + all + `]`}, `,"allowed_updates":[` + all + `]`},
			{[]string{"url", hookURL, "allowed_updates", `["fly"]`}, ``},
			{[]string{"url", "ftp://a", "allowed_updates", `["poll"]`}, ``},
			{[]string{"url", "http://a", "allowed_updates", `["poll"]`}, `,"allowed_updates":["poll"]`},
			{[]string{"url", hookURL, "allowed_updates", `[` + strings.NewReplacer(`"chat_member",`, ``, `"message_reaction","message_reaction_count",`, ``).Replace(all) + `]`}, ``},
		} {
			time.Sleep(time.Second)
			call(t, a, setPath, step.params...)
			if got := info(t, a); !strings.HasSuffix(got, step.want+"}") || step.want == "" && strings.Contains(got, "allowed_updates") {
				t.Errorf("%v: got %s", step.params, got)
			}
		}

	})
}

// Only what a bot asked for happens to it.
func TestAllowedUpdatesDelivered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pipes{answer: func(int, string) string { return ok }}
		a := newAPI(t, p, APIOptions{Local: true})
		call(t, a, setPath, "url", plainURL).is(t, 200, "Webhook was set")
		delivered := func(kind string) bool {
			before := len(p.got())
			a.Send(token, Updates()[kind])
			wait(t, a.Sender(token))
			return len(p.got()) > before
		}
		for kind := range Updates() {
			if got := delivered(kind); got == (kind == "chat_member" || kind == "message_reaction" || kind == "message_reaction_count") {
				t.Errorf("%s by default: %v", kind, got)
			}
		}
		a.Send(token, []byte(`{"update_id":1,"new_type":{}}`))
		wait(t, a.Sender(token))
		if got := p.got(); got[len(got)-1] != `{"update_id":1,"new_type":{}}` {
			t.Error("a new type was dropped")
		}
		time.Sleep(time.Second)
		call(t, a, setPath, "url", plainURL, "allowed_updates", `["message_reaction"]`).is(t, 200, "Webhook is already set")
		if !delivered("message_reaction") || delivered("message") {
			t.Error("not what was asked for")
		}
	})
}
