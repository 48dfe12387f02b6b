package botapi

import (
	"context"
	"encoding/pem"
	"errors"
	"net/http/httptest"
	"reflect"
	"testing"
	"time"

	"github.com/caddy-telegram/telegramwebhook/internal/telegramtest"
)

// A webhook's life with a server that takes parameters and answers as
// Telegram's does.
func TestAgainstStandIn(t *testing.T) {
	for name, test := range map[string]bool{"production": false, "test environment": true} {
		t.Run(name, func(t *testing.T) {
			now := time.Now()
			api := telegramtest.NewAPI(telegramtest.APIOptions{
				Tokens: []string{plantedToken}, Now: func() time.Time { return now }, NoDelivery: true,
			})
			base, stop := api.Start()
			defer stop()
			token := plantedToken
			if test {
				token += "/test"
			}
			live(t, NewClient(account(t, plantedToken, base, test), nil), api, token, func() { now = now.Add(time.Second) })
		})
	}
}

func live(t *testing.T, c *Client, api *telegramtest.API, token string, later func()) {
	ctx := context.Background()
	expect := func(want WebhookInfo) {
		t.Helper()
		got, err := c.GetWebhookInfo(ctx)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got  %+v, %v\nwant %+v", got, err, want)
		}
	}
	refused := func(w Webhook, want Error) {
		t.Helper()
		err := c.SetWebhook(ctx, w, false)
		got, ok := errors.AsType[*Error](err)
		want.Method = "setWebhook"
		if !ok || *got != want {
			t.Errorf("got %v, want %v", err, &want)
		}
		search(t, "the error", err)
	}

	expect(WebhookInfo{})
	w := Webhook{URL: "https://bot.example.com/hook?a=1&b=2", Secret: plantedSecret, AllowedUpdates: []string{"message", "chat_member"}, MaxConnections: 7}
	if err := c.SetWebhook(ctx, w, false); err != nil {
		t.Fatal(err)
	}
	expect(WebhookInfo{URL: w.URL, IPAddress: "203.0.113.10", MaxConnections: 7, AllowedUpdates: w.AllowedUpdates})
	if got := api.Webhook(token).Secret; got != plantedSecret {
		t.Errorf("the secret there is %q", got)
	}
	refused(w, Error{Code: 429, Description: "Too Many Requests: retry after 1", RetryAfter: time.Second})

	// What is no longer wanted is taken away, and a certificate goes with all of it.
	later()
	s := httptest.NewTLSServer(nil)
	defer s.Close()
	w = Webhook{URL: "https://bot.example.com:8443/", MaxConnections: 40, Certificate: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})}
	if err := c.SetWebhook(ctx, w, false); err != nil {
		t.Fatal(err)
	}
	expect(WebhookInfo{URL: w.URL, HasCustomCertificate: true, IPAddress: "203.0.113.10", MaxConnections: 40})
	if got := api.Webhook(token); got.Secret != "" || got.RootCAs == nil {
		t.Errorf("there are the secret %q and the certificate %v", got.Secret, got.RootCAs != nil)
	}

	later()
	refused(Webhook{URL: "http://bot.example.com/"}, Error{Code: 400, Description: "Bad Request: bad webhook: An HTTPS URL must be provided for webhook"})
	later()
	refused(Webhook{URL: "https://bot.example.com/", IPAddress: "127.0.0.1"}, Error{Code: 400, Description: "Bad Request: bad webhook: IP address 127.0.0.1 is reserved"})

	api.Send(token, []byte(`{"update_id":1,"message":{"chat":{"id":1}}}`))
	expect(WebhookInfo{PendingUpdateCount: 1})
	if err := c.DeleteWebhook(ctx); err != nil {
		t.Error(err)
	}
	expect(WebhookInfo{PendingUpdateCount: 1})

	stranger := NewClient(account(t, "987654321:"+plantedHalf, c.account.server.String(), false), nil)
	_, err := stranger.GetWebhookInfo(ctx)
	if e, ok := errors.AsType[*Error](err); !ok || e.Code != 401 || e.Description != "Unauthorized" {
		t.Errorf("a token that is no bot's: %v", err)
	}
}
