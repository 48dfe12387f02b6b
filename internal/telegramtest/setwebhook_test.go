package telegramtest

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"mime/multipart"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

const (
	setPath    = "/bot" + token + "/setWebhook"
	deletePath = "/bot" + token + "/deleteWebhook"
	pollPath   = "/bot" + token + "/getUpdates"
	hookURL    = "https://bot.example.com/hook"
	plainURL   = "http://bot.example.com/hook" // for pipes, and with Local

	noWebhook = `{"url":"","has_custom_certificate":false,"pending_update_count":0}`
)

// upload calls setWebhook with a certificate.
func upload(t *testing.T, a *API, certificate []byte, params ...string) result {
	t.Helper()
	var parts bytes.Buffer
	w := multipart.NewWriter(&parts)
	for i := 0; i < len(params); i += 2 {
		w.WriteField(params[i], params[i+1])
	}
	f, _ := w.CreateFormFile("certificate", "cert.pem")
	f.Write(certificate)
	w.Close()
	return request(t, a, setPath, w.FormDataContentType(), &parts)
}

func TestSetAndDelete(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAPI(t, nil, APIOptions{})
		if got := info(t, a); got != noWebhook {
			t.Errorf("at first: %s", got)
		}
		call(t, a, deletePath).is(t, 200, "Webhook is already deleted")
		call(t, a, setPath, "url", hookURL, "secret_token", "s3-cret_").is(t, 200, "Webhook was set")
		want := `{"url":"` + hookURL + `","has_custom_certificate":false,"pending_update_count":0,"max_connections":40,"ip_address":"203.0.113.10"}`
		if got := info(t, a); got != want {
			t.Errorf("set: %s", got)
		}
		if got := a.Webhook(token).Secret; got != "s3-cret_" {
			t.Errorf("secret %q", got)
		}
		call(t, a, pollPath).is(t, 409, "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first")
		if got := a.Webhook(token + "/test").URL; got != "" {
			t.Errorf("in the test environment: %q", got)
		}
		call(t, a, deletePath).is(t, 200, "Webhook was deleted")
		call(t, a, setPath, "url", "").is(t, 200, "Webhook is already deleted")
		if got := info(t, a); got != noWebhook {
			t.Errorf("deleted: %s", got)
		}
	})
}

// One call with a url passes per bot and second, even one that changes nothing.
func TestOncePerSecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAPI(t, nil, APIOptions{})
		call(t, a, setPath, "url", hookURL).is(t, 200, "Webhook was set")
		time.Sleep(time.Second - 1)
		r := call(t, a, setPath, "url", hookURL)
		r.is(t, 429, "Too Many Requests: retry after 1")
		if r.RetryAfter != "1" || r.Parameters.RetryAfter != 1 {
			t.Errorf("got %+v", r)
		}
		call(t, a, "/bot"+token+"/test/setWebhook", "url", hookURL).is(t, 200, "Webhook was set")
		time.Sleep(time.Nanosecond)
		call(t, a, setPath, "url", hookURL).is(t, 200, "Webhook is already set")
		call(t, a, setPath, "url", hookURL).is(t, 429, "Too Many Requests: retry after 1")
		call(t, a, setPath, "url", "").is(t, 200, "Webhook was deleted")
		call(t, a, setPath, "url", hookURL).is(t, 429, "Too Many Requests: retry after 1")
		if got := info(t, a); got != noWebhook {
			t.Errorf("got %s", got)
		}
	})
}

// With a difference in any of what counts the webhook is made anew.
func TestAlreadySet(t *testing.T) {
	_, self := authority{}.issue(t, certTemplate("bot.example.com"))
	base := []string{"url", plainURL, "secret_token", "a", "max_connections", "7", "ip_address", "1.1.1.1"}
	for _, test := range []struct {
		change      []string
		certificate bool
		want        string
	}{
		{nil, false, "Webhook is already set"},
		{[]string{"allowed_updates", `["poll"]`}, false, "Webhook is already set"},
		{[]string{"url", plainURL + "2"}, false, "Webhook was set"},
		{[]string{"secret_token", "b"}, false, "Webhook was set"},
		{[]string{"secret_token", ""}, false, "Webhook was set"},
		{[]string{"max_connections", "8"}, false, "Webhook was set"},
		{[]string{"max_connections", ""}, false, "Webhook was set"},
		{[]string{"ip_address", "1.0.0.1"}, false, "Webhook was set"},
		{[]string{"ip_address", ""}, false, "Webhook was set"},
		{[]string{"drop_pending_updates", "True"}, false, "Webhook was set"},
		{nil, true, "Webhook was set"},
	} {
		synctest.Test(t, func(t *testing.T) {
			p := &pipes{answer: func(int, string) string { return failing(500) }}
			a := newAPI(t, p, APIOptions{Local: true})
			call(t, a, setPath, base...).is(t, 200, "Webhook was set")
			a.Send(token, Updates()["message"])
			time.Sleep(time.Second)
			if got := info(t, a); !strings.Contains(got, `"last_error_date":946684800,"last_error_message":"Wrong response from the webhook: 500 Internal Server Error"`) ||
				!strings.Contains(got, `"pending_update_count":1`) {
				t.Errorf("got %s", got)
			}
			before := len(p.got())
			changed := strings.Join(test.change, " ")
			params := append(append([]string{}, base...), test.change...)
			if test.certificate {
				upload(t, a, toPEM(self.cert), params...).is(t, 200, test.want)
			} else {
				call(t, a, setPath, params...).is(t, 200, test.want)
			}
			synctest.Wait()
			wantAnew := test.want == "Webhook was set" && !strings.HasPrefix(changed, "drop")
			if anew := len(p.got()) > before; anew != wantAnew {
				t.Errorf("%s: the schedule began anew: %v", changed, anew)
			}
			if got := info(t, a); strings.Contains(got, "poll") != strings.Contains(changed, "poll") {
				t.Errorf("%s: got %s", changed, got)
			}
		})
	}
}

// A parameter that is not passed is removed, whatever it was.
func TestNotPassedIsRemoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, self := authority{}.issue(t, certTemplate("bot.example.com"))
		a := newAPI(t, nil, APIOptions{})
		upload(t, a, toPEM(self.cert), "url", hookURL, "secret_token", "a", "max_connections", "7", "ip_address", "1.1.1.1").is(t, 200, "Webhook was set")
		if w := a.Webhook(token); w.RootCAs == nil || w.Secret != "a" || w.IPAddress != "1.1.1.1" || w.MaxConnections != 7 {
			t.Errorf("got %+v", w)
		}
		if got := info(t, a); !strings.Contains(got, `"has_custom_certificate":true`) || !strings.Contains(got, `"ip_address":"1.1.1.1"`) {
			t.Errorf("got %s", got)
		}
		time.Sleep(time.Second)
		call(t, a, setPath, "url", hookURL).is(t, 200, "Webhook was set")
		if w := a.Webhook(token); w != (Webhook{URL: hookURL, MaxConnections: 40}) {
			t.Errorf("got %+v", w)
		}
	})
}

func TestMaxConnectionsClamped(t *testing.T) {
	for _, test := range []struct {
		local bool
		value string
		want  int
	}{
		{false, "", 40}, {false, "0", 1}, {false, "-3", 1}, {false, "1", 1}, {false, "100", 100}, {false, "101", 100},
		{false, "many", 1}, {true, "100000", 100000}, {true, "100001", 100000},
	} {
		a := newAPI(t, nil, APIOptions{Local: test.local})
		call(t, a, setPath, "url", hookURL, "max_connections", test.value).is(t, 200, "Webhook was set")
		if got := a.Webhook(token).MaxConnections; got != test.want {
			t.Errorf("%+v: got %d", test, got)
		}
	}
}

// Whatever is refused, the old webhook is gone by then.
func TestRefused(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	private := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	const unusable = "Bad Request: bad webhook: Failed to set custom certificate file{error:05800088:x509 certificate routines::no certificate or crl found}"

	resolve := func(host string) ([]netip.Addr, error) {
		switch host {
		case "six.example.com":
			return []netip.Addr{netip.MustParseAddr("2001:db8::1")}, nil
		case "both.example.com":
			return []netip.Addr{netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("9.9.9.9")}, nil
		case "home.example.com":
			return []netip.Addr{netip.MustParseAddr("192.168.1.5")}, nil
		case "bot.example.com":
			return []netip.Addr{netip.MustParseAddr("8.8.8.8")}, nil
		}
		return nil, errors.New("no such host")
	}
	for _, test := range []struct {
		name        string
		options     APIOptions
		certificate []byte
		params      []string
		want        string
	}{
		{"url", APIOptions{}, nil, []string{"url", "ftp://a"}, "Bad Request: invalid webhook URL specified"},
		{"url before the secret", APIOptions{}, nil, []string{"url", "https://a b/", "secret_token", "!"}, "Bad Request: invalid webhook URL specified"},
		{"secret of 257", APIOptions{}, nil, []string{"secret_token", strings.Repeat("!", 257)}, "Bad Request: secret token is too long"},
		{"secret of 256", APIOptions{}, nil, []string{"secret_token", strings.Repeat("a", 256)}, ""},
		{"character", APIOptions{}, nil, []string{"secret_token", "AZaz09_-+a"}, "Bad Request: secret token contains unallowed characters"},
		{"big certificate", APIOptions{}, make([]byte, 3<<20+1), nil, "Bad Request: certificate size is too big (3145729 bytes)"},
		{"no certificate", APIOptions{}, make([]byte, 3<<20), nil, unusable},
		{"private key", APIOptions{}, private, nil, unusable},
		{"http", APIOptions{}, nil, []string{"url", "http://bot.example.com:81/"}, "Bad Request: bad webhook: An HTTPS URL must be provided for webhook"},
		{"port", APIOptions{}, nil, []string{"url", "https://127.0.0.1:444/"}, "Bad Request: bad webhook: Webhook can be set up only on ports 80, 88, 443 or 8443"},
		{"port 80", APIOptions{}, nil, []string{"url", "https://bot.example.com:80/"}, ""},
		{"port 88", APIOptions{}, nil, []string{"url", "https://bot.example.com:88/"}, ""},
		{"port 8443", APIOptions{}, nil, []string{"url", "https://bot.example.com:8443/"}, ""},
		{"any port", APIOptions{AllowPort: true}, nil, []string{"url", "https://bot.example.com:444/"}, ""},
		{"loopback", APIOptions{}, nil, []string{"url", "https://127.0.0.1/"}, "Bad Request: bad webhook: IP address 127.0.0.1 is reserved"},
		{"loopback allowed", APIOptions{AllowReserved: true}, nil, []string{"url", "https://127.0.0.1/"}, ""},
		{"reserved fixed", APIOptions{}, nil, []string{"ip_address", "10.1.2.3"}, "Bad Request: bad webhook: IP address 10.1.2.3 is reserved"},
		{"no address", APIOptions{}, nil, []string{"ip_address", "ten"}, "Bad Request: bad webhook: Invalid IP address specified"},
		{"fixed six", APIOptions{}, nil, []string{"ip_address", "::1"}, "Bad Request: bad webhook: IPv6-only addresses are not allowed"},
		{"six", APIOptions{}, nil, []string{"url", "https://[2001:db8::1]/"}, "Bad Request: bad webhook: IPv6-only addresses are not allowed"},
		{"resolves to six", APIOptions{Resolve: resolve}, nil, []string{"url", "https://six.example.com/"}, "Bad Request: bad webhook: IPv6-only addresses are not allowed"},
		{"resolves to both", APIOptions{Resolve: resolve}, nil, []string{"url", "https://both.example.com/"}, ""},
		{"resolves to reserved", APIOptions{Resolve: resolve}, nil, []string{"url", "https://home.example.com/"}, "Bad Request: bad webhook: IP address 192.168.1.5 is reserved"},
		{"does not resolve", APIOptions{Resolve: resolve}, nil, []string{"url", "https://nowhere.example.com/"}, "Bad Request: bad webhook: Failed to resolve host: Name or service not known"},
		{"fixed instead", APIOptions{Resolve: resolve}, nil, []string{"url", "https://nowhere.example.com/", "ip_address", "8.8.4.4"}, ""},
		{"local", APIOptions{Local: true}, nil, []string{"url", "http://10.0.0.7:5000/"}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := newAPI(t, nil, test.options)
				call(t, a, setPath, "url", hookURL, "secret_token", "old").is(t, 200, "Webhook was set")
				time.Sleep(time.Second)
				params := append([]string{"url", hookURL + "2"}, test.params...)
				var r result
				if test.certificate != nil {
					r = upload(t, a, test.certificate, params...)
				} else {
					r = call(t, a, setPath, params...)
				}
				if test.want == "" {
					r.is(t, 200, "Webhook was set")
					return
				}
				r.is(t, 400, test.want)
				if got := info(t, a); got != noWebhook {
					t.Errorf("left behind: %s", got)
				}
			})
		})
	}
}

// With a certificate the webhook is always made anew. It may also be attached
// under another name.
func TestCertificateAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, self := authority{}.issue(t, certTemplate("bot.example.com"))
		a := newAPI(t, nil, APIOptions{})
		for range 2 {
			upload(t, a, toPEM(self.cert), "url", hookURL).is(t, 200, "Webhook was set")
			time.Sleep(time.Second)
		}
		call(t, a, setPath, "url", hookURL, "certificate", string(toPEM(self.cert))).is(t, 200, "Webhook was set")
		if got := info(t, a); !strings.Contains(got, `"has_custom_certificate":false`) {
			t.Errorf("not uploaded as a file: %s", got)
		}

		time.Sleep(time.Second)
		var parts bytes.Buffer
		w := multipart.NewWriter(&parts)
		w.WriteField("url", hookURL)
		w.WriteField("certificate", "attach://mine")
		f, _ := w.CreateFormFile("mine", "cert.pem")
		f.Write(toPEM(self.cert))
		w.Close()
		request(t, a, setPath, w.FormDataContentType(), &parts).is(t, 200, "Webhook was set")
		if roots := a.Webhook(token).RootCAs; roots == nil || !roots.Equal(pool(self.cert)) {
			t.Error("the attached certificate is not used")
		}
	})
}

// The clock of the API dates errors too.
func TestClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pipes{answer: func(int, string) string { return failing(500) }}
		a := newAPI(t, p, APIOptions{Local: true, Now: func() time.Time { return time.Unix(1234567890, 0) }})
		call(t, a, setPath, "url", plainURL).is(t, 200, "Webhook was set")
		a.Send(token, Updates()["message"])
		synctest.Wait()
		if got := info(t, a); !strings.Contains(got, `"last_error_date":1234567890,`) {
			t.Errorf("got %s", got)
		}
	})
}

// What a name resolves to is shown and dialed.
func TestResolved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pipes{answer: func(int, string) string { return ok }}
		a := newAPI(t, p, APIOptions{Local: true, Resolve: func(string) ([]netip.Addr, error) {
			return []netip.Addr{netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("192.0.2.9")}, nil
		}})
		call(t, a, setPath, "url", "http://bot.example.com:5000/").is(t, 200, "Webhook was set")
		a.Send(token, Updates()["message"])
		wait(t, a.Sender(token))
		equal(t, "dialed", p.dialed, []string{"tcp4 192.0.2.9:5000"})
		if got := info(t, a); !strings.Contains(got, `"ip_address":"192.0.2.9"`) {
			t.Errorf("got %s", got)
		}
	})
}

// A call that comes while another is under way ends that one.
func TestTerminated(t *testing.T) {
	for path, want := range map[string]string{setPath: "Webhook was set", deletePath: "Webhook was deleted"} {
		synctest.Test(t, func(t *testing.T) {
			slow := make(chan bool)
			a := newAPI(t, nil, APIOptions{Resolve: func(host string) ([]netip.Addr, error) {
				if host == "slow.example.com" {
					<-slow
				}
				return []netip.Addr{netip.MustParseAddr("8.8.8.8")}, nil
			}})
			first := make(chan result, 1)
			go func() { first <- call(t, a, setPath, "url", "https://slow.example.com/") }()
			synctest.Wait()
			call(t, a, pollPath).is(t, 409, "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first")
			time.Sleep(time.Second)
			call(t, a, path, "url", hookURL).is(t, 200, want)
			(<-first).is(t, 409, "Conflict: terminated by other setWebhook")
			close(slow)
			synctest.Wait()
			if got, want := a.Webhook(token).URL, map[string]string{setPath: hookURL}[path]; got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

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

// 23 hours of 410 remove the webhook from the API too.
func TestGoneFromAPI(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pipes{answer: func(int, string) string { return failing(410) }}
		a := newAPI(t, p, APIOptions{Local: true})
		call(t, a, setPath, "url", plainURL)
		a.Send(token, Updates()["message"])
		time.Sleep(22 * time.Hour)
		if got := info(t, a); !strings.Contains(got, plainURL) || !strings.Contains(got, "410 Gone") {
			t.Errorf("after 22 hours: %s", got)
		}
		time.Sleep(90 * time.Minute)
		if got := info(t, a); got != strings.Replace(noWebhook, ":0}", ":1}", 1) {
			t.Errorf("after 23 hours: %s", got)
		}
	})
}
