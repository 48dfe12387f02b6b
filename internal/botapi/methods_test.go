package botapi

import (
	"context"
	"encoding/json"
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
	for name, tc := range map[string]struct {
		call         func(*Client) error
		method, want string
	}{
		"setWebhook, all of it": {
			func(c *Client) error {
				return c.SetWebhook(ctx, Webhook{
					URL: "https://bot.example.com/hook?a=1&b=2", Secret: plantedSecret, AllowedUpdates: []string{"message", "chat_member"},
					MaxConnections: 7, IPAddress: "203.0.113.7", DropPendingUpdates: true,
				})
			},
			"setWebhook",
			`{"url":"https://bot.example.com/hook?a=1&b=2","secret_token":"` + plantedSecret + `","allowed_updates":["message","chat_member"],
			  "max_connections":7,"ip_address":"203.0.113.7","drop_pending_updates":true}`,
		},
		"setWebhook, nothing but a URL": {
			func(c *Client) error { return c.SetWebhook(ctx, Webhook{URL: "https://bot.example.com/"}) },
			"setWebhook",
			`{"url":"https://bot.example.com/","secret_token":"","allowed_updates":[],"max_connections":40,"ip_address":""}`,
		},
		"setWebhook, a certificate of white space": {
			func(c *Client) error {
				return c.SetWebhook(ctx, Webhook{URL: "https://bot.example.com/", MaxConnections: 1, Certificate: []byte(" \n")})
			},
			"setWebhook",
			`{"url":"https://bot.example.com/","secret_token":"","allowed_updates":[],"max_connections":1,"ip_address":""}`,
		},
		"deleteWebhook":           {func(c *Client) error { return c.DeleteWebhook(ctx, false) }, "deleteWebhook", `{}`},
		"deleteWebhook, dropping": {func(c *Client) error { return c.DeleteWebhook(ctx, true) }, "deleteWebhook", `{"drop_pending_updates":true}`},
	} {
		t.Run(name, func(t *testing.T) {
			s := record(t, done)
			if err := tc.call(client(t, s.URL)); err != nil {
				t.Fatal(err)
			}
			checkRequest(t, s.only(t), tc.method, tc.want)
		})
	}
	t.Run("getWebhookInfo", func(t *testing.T) {
		s := record(t, `{"ok":true,"result":{"url":""}}`)
		if _, err := client(t, s.URL).GetWebhookInfo(ctx); err != nil {
			t.Fatal(err)
		}
		checkRequest(t, s.only(t), "getWebhookInfo", `{}`)
	})
}

func checkRequest(t *testing.T, r request, method, want string) {
	t.Helper()
	if r.method != "POST" || r.path != "/bot"+plantedToken+"/"+method || r.contentType != "application/json" {
		t.Errorf("got %s %s with %s", r.method, r.path, r.contentType)
	}
	if got := r.header.Get("Content-Length"); got != fmt.Sprint(len(r.body)) {
		t.Errorf("Content-Length %q for %d bytes", got, len(r.body))
	}
	var got, wanted map[string]any
	if err := json.Unmarshal(r.body, &got); err != nil {
		t.Fatalf("body %q: %v", r.body, err)
	}
	if err := json.Unmarshal([]byte(want), &wanted); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, wanted) {
		t.Errorf("got  %s\nwant %s", r.body, want)
	}
}

func TestUpload(t *testing.T) {
	for name, tc := range map[string]struct {
		webhook Webhook
		want    []string
	}{
		"all of it": {
			Webhook{
				URL: "https://bot.example.com:8443/хук", Secret: plantedSecret, AllowedUpdates: []string{"message", "poll"},
				MaxConnections: 100, IPAddress: "203.0.113.7", DropPendingUpdates: true,
			},
			[]string{
				`allowed_updates=["message","poll"]`, "drop_pending_updates=true",
				"ip_address=203.0.113.7", "max_connections=100", "secret_token=" + plantedSecret, "url=https://bot.example.com:8443/хук", "certificate[certificate.pem]=" + certificate,
			},
		},
		"nothing but a URL": {
			Webhook{URL: "https://bot.example.com/"},
			[]string{
				`allowed_updates=[]`, "ip_address=", "max_connections=40", "secret_token=", "url=https://bot.example.com/",
				"certificate[certificate.pem]=" + certificate,
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := record(t, done)
			tc.webhook.Certificate = []byte("\n" + certificate + "\n\n")
			if err := client(t, s.URL).SetWebhook(context.Background(), tc.webhook); err != nil {
				t.Fatal(err)
			}
			r := s.only(t)
			kind, attributes, err := mime.ParseMediaType(r.contentType)
			if err != nil || kind != "multipart/form-data" || r.path != "/bot"+plantedToken+"/setWebhook" {
				t.Fatalf("got %s with %s", r.path, r.contentType)
			}
			got := parts(t, multipart.NewReader(strings.NewReader(string(r.body)), attributes["boundary"]))
			if !slices.Equal(got, tc.want) {
				t.Errorf("got  %q\nwant %q", got, tc.want)
			}
		})
	}
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
			  "last_synchronization_error_date":1700000001,"max_connections":40,"allowed_updates":["message","poll"],"new_in_2031":{"a":[1]}}`,
			WebhookInfo{
				URL: "https://bot.example.com/?a=%20b", HasCustomCertificate: true, PendingUpdateCount: 12, IPAddress: "203.0.113.7",
				LastErrorDate: time.Unix(1700000000, 0), LastErrorMessage: "Wrong response from the webhook: 502 Bad Gateway",
				LastSynchronizationErrorDate: time.Unix(1700000001, 0), MaxConnections: 40, AllowedUpdates: []string{"message", "poll"},
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

// A URL with the token in it is refused before Telegram erases the old webhook.
func TestTokenInURL(t *testing.T) {
	for _, path := range []string{plantedToken, "bot" + plantedToken, plantedHalf, plantedID + "%3A" + plantedHalf, strings.ToLower(plantedToken)} {
		s := record(t, done)
		err := client(t, s.URL).SetWebhook(context.Background(), Webhook{URL: "https://bot.example.com/" + path})
		const want = "setWebhook: the webhook's URL holds the bot token, which access logs would then show; use another path"
		if err == nil || err.Error() != want {
			t.Errorf("%s: got %v", path, err)
		}
		search(t, "the error", err)
		if len(s.requests) != 0 {
			t.Errorf("%s: sent nevertheless", path)
		}
	}
}

func TestWebhookIsPrintedWithoutSecret(t *testing.T) {
	w := Webhook{URL: "https://bot.example.com/", Secret: plantedSecret, MaxConnections: 7}
	for _, got := range []string{fmt.Sprint(w), fmt.Sprintf("%+v", w), fmt.Sprintf("%#v", w), fmt.Sprintf("%+v", &w), fmt.Sprintf("%q", w)} {
		if leaks(got, plantedSecret) != nil || !strings.Contains(got, hidden) || !strings.Contains(got, w.URL) {
			t.Errorf("got %s", got)
		}
	}
	if got := fmt.Sprint(Webhook{URL: "u"}); got != "{u  [] [] 0  false}" {
		t.Errorf("without a secret: %s", got)
	}
	// A fingerprint may be made of the JSON form, so the secret must be in it.
	if encoded, err := json.Marshal(w); err != nil || !strings.Contains(string(encoded), plantedSecret) {
		t.Errorf("JSON: %s, %v", encoded, err)
	}
}
