package botapi

import (
	"context"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

const done = `{"ok":true,"result":true,"description":"Webhook was set"}`

const certificate = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----"

func TestRequests(t *testing.T) {
	ctx := context.Background()
	const uploaded = "certificate[certificate.pem]=" + certificate
	full := Webhook{
		URL: "https://bot.example.com:8443/хук?a=1&b=2", Secret: plantedSecret, AllowedUpdates: []string{"message", "chat_member"},
		MaxConnections: 7, IPAddress: "203.0.113.7",
	}
	bare := Webhook{URL: "https://bot.example.com/", MaxConnections: 40}
	fullParts := []string{
		"url=" + full.URL, "secret_token=" + plantedSecret, `allowed_updates=["message","chat_member"]`, "max_connections=7", "ip_address=203.0.113.7",
	}
	bareParts := []string{"url=https://bot.example.com/", "secret_token=", "allowed_updates=[]", "max_connections=40", "ip_address="}
	const dropped = "drop_pending_updates=true"
	set := func(w Webhook, certificate string) func(*Client) error {
		w.Certificate = []byte(certificate)
		return func(c *Client) error { return c.SetWebhook(ctx, w, w.URL == full.URL) }
	}
	for name, tc := range map[string]struct {
		call   func(*Client) error
		method string
		want   []string // parts of the form
		answer string
	}{
		"setWebhook, all of it":                    {set(full, "\n"+certificate+"\n\n"), "setWebhook", append(slices.Clone(fullParts), dropped, uploaded), done},
		"setWebhook, all but a certificate":        {set(full, ""), "setWebhook", append(slices.Clone(fullParts), dropped), done},
		"setWebhook, nothing but a URL":            {set(bare, ""), "setWebhook", bareParts, done},
		"setWebhook, a certificate":                {set(bare, certificate), "setWebhook", append(slices.Clone(bareParts), uploaded), done},
		"setWebhook, a certificate of white space": {set(bare, " \n"), "setWebhook", bareParts, done},
		"deleteWebhook":                            {func(c *Client) error { return c.DeleteWebhook(ctx) }, "deleteWebhook", nil, done},
		"getWebhookInfo":                           {func(c *Client) error { return calls["getWebhookInfo"](c, ctx) }, "getWebhookInfo", nil, `{"ok":true,"result":{"url":""}}`},
	} {
		t.Run(name, func(t *testing.T) {
			s := record(t, tc.answer)
			if err := tc.call(client(t, s.URL)); err != nil {
				t.Fatal(err)
			}
			r := s.only(t)
			if r.method != "POST" || r.path != "/bot"+plantedToken+"/"+tc.method {
				t.Errorf("got %s %s", r.method, r.path)
			}
			if got := r.header.Get("Content-Length"); got != fmt.Sprint(len(r.body)) {
				t.Errorf("Content-Length %q for %d bytes", got, len(r.body))
			}
			if got := r.parts(t); !slices.Equal(got, tc.want) {
				t.Errorf("got  %q\nwant %q", got, tc.want)
			}
		})
	}
}

// parts returns the parts of the form that was sent; none without a body.
func (r request) parts(t *testing.T) []string {
	t.Helper()
	if len(r.body) == 0 && r.contentType == "" {
		return nil
	}
	kind, attributes, err := mime.ParseMediaType(r.contentType)
	if err != nil || kind != "multipart/form-data" {
		t.Fatalf("%d bytes of type %q", len(r.body), r.contentType)
	}
	return parts(t, multipart.NewReader(strings.NewReader(string(r.body)), attributes["boundary"]))
}

// parts returns the parts of a form in order, a file's with its name in brackets.
func parts(t *testing.T, r *multipart.Reader) (all []string) {
	t.Helper()
	for {
		part, err := r.NextPart()
		if err == io.EOF {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(part)
		if err != nil {
			t.Fatal(err)
		}
		name := part.FormName()
		if part.FileName() != "" {
			name += "[" + part.FileName() + "]"
		}
		all = append(all, name+"="+string(content))
	}
}

func TestWebhookInfo(t *testing.T) {
	for name, tc := range map[string]struct {
		answer string
		want   WebhookInfo
	}{
		"none": {`{"url":"","has_custom_certificate":false,"pending_update_count":0}`, WebhookInfo{}},
		"all of it": {
			`{"url":"https://bot.example.com/?a=%20b","has_custom_certificate":true,"pending_update_count":12,"ip_address":"203.0.113.7",
			  "last_error_date":1700000000,"last_error_message":"Wrong response\u0000 from\nthe webhook: 502 Bad Gateway",
			  "max_connections":40,"allowed_updates":["message","poll"],"new_in_2031":{"a":[1]}}`,
			WebhookInfo{
				URL: "https://bot.example.com/?a=%20b", HasCustomCertificate: true, PendingUpdateCount: 12, IPAddress: "203.0.113.7",
				LastErrorDate: time.Unix(1700000000, 0), LastErrorMessage: `Wrong response\x00 from\nthe webhook: 502 Bad Gateway`,
				MaxConnections: 40, AllowedUpdates: []string{"message", "poll"},
			},
		},
		"somebody else's, with the token in it": {
			`{"url":"https://old.example.com/` + plantedToken + `","last_error_message":"cannot reach /` + plantedToken + `",
			  "ip_address":"` + plantedToken + `","allowed_updates":["` + plantedToken + `"]}`,
			WebhookInfo{
				URL: "https://old.example.com/[hidden]", LastErrorMessage: "cannot reach /[hidden]",
				IPAddress: "[hidden]", AllowedUpdates: []string{"[hidden]"},
			},
		},
		"a URL with the bot's id in it": {
			`{"url":"https://bot.example.com/123456789:production"}`,
			WebhookInfo{URL: "https://bot.example.com/123456789:production"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := record(t, `{"ok":true,"result":`+tc.answer+`}`)
			got, err := client(t, s.URL).GetWebhookInfo(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, tc.want) {
				t.Errorf("got  %+v\nwant %+v", got, tc.want)
			}
			search(t, "the result", got)
		})
	}
}
