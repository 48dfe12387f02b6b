package telegramwebhook

import (
	"cmp"
	"net/http"
	"slices"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/caddy-telegram/telegramwebhook/internal/app"
	"github.com/caddy-telegram/telegramwebhook/internal/clientip"
	"github.com/caddy-telegram/telegramwebhook/internal/deliver"
	"github.com/caddy-telegram/telegramwebhook/internal/redact"
	"github.com/caddy-telegram/telegramwebhook/internal/site"
	"github.com/caddy-telegram/telegramwebhook/internal/telegram"
)

// A result is the verdict on a request.
type result int

const (
	passed result = iota
	plainHTTP
	wrongSource
	noSecret
	wrongSecret
	redactedSecret
	polling
	audited
	notReady
	storageAway
	wrongMethod
	wrongType
	tooLarge
)

// results has, for each result, its name in logs and metrics, the status of the answer to a refused request, and
// whether the request may be a forgery, which the listener wrapper counts.
var results = []struct {
	name      string
	status    int
	penalized bool
}{
	passed:         {name: "passed"},
	plainHTTP:      {"plain_http", http.StatusForbidden, true},
	wrongSource:    {"wrong_source", http.StatusForbidden, true},
	noSecret:       {"no_secret", http.StatusForbidden, true},
	wrongSecret:    {"wrong_secret", http.StatusForbidden, true},
	redactedSecret: {"redacted", http.StatusForbidden, true},
	polling:        {"polling", http.StatusForbidden, true},                // updates are fetched, and nobody sends any
	audited:        {"audit", http.StatusForbidden, false},                 // by the audit of this process's operator, and meant to be refused
	notReady:       {"not_ready", http.StatusServiceUnavailable, false},    // Telegram sends the update again
	storageAway:    {"storage_away", http.StatusServiceUnavailable, false}, // the secret may be a new one that this node cannot know
	wrongMethod:    {"wrong_method", http.StatusMethodNotAllowed, false},
	wrongType:      {"wrong_type", http.StatusUnsupportedMediaType, false},
	tooLarge:       {"too_large", http.StatusRequestEntityTooLarge, false},
}

// ServeHTTP lets a genuine update through to the next handler and refuses
// anything else. It answers every request itself and returns no error.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	if mark := site.MarkOf(r); mark != nil {
		h.serveMarked(w, r, next, mark)
		return nil
	}
	secrets, state := redact.Values(r)
	if state == redact.Exposed {
		skipAccessLog(r)
		h.app.ReportExposed(r)
	}
	result := h.verify(r, secrets, state)
	if (result == wrongSecret || result == notReady) && len(secrets) == 1 {
		result = h.verifyAgain(r, secrets[0])
	}
	if result != passed {
		if results[result].penalized && app.IsAudit(r) {
			result = audited
		}
		h.refuse(w, r, result, secrets)
		return nil
	}
	h.listener.Passed(r)
	h.deliver(w, r, next, secrets, true)
	return nil
}

// serveMarked answers a request of this process: a fetched update passes, and a trial of
// the address ends here, with the status of a refusal if another handler has changed it.
func (h *Handler) serveMarked(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler, mark *site.Mark) {
	mark.Reach(h)
	switch {
	case slices.Contains(mark.Passes, site.Gate(h)):
		h.deliver(w, r, next, h.webhook.CurrentSecret(), !mark.Forget)
	case len(mark.Passes) > 0: // for another webhook
		h.refuse(w, r, noSecret, nil)
	default:
		skipAccessLog(r)
		w.WriteHeader(cmp.Or(results[h.verifyForm(r)].status, http.StatusNoContent))
	}
}

// verify is the rule: the first reason that fits is the result. It reads no body, takes no lock and allocates nothing. A
// reason without a penalty comes after the check of the secret, or a forger could hide behind it.
func (h *Handler) verify(r *http.Request, secrets []string, state redact.State) result {
	switch {
	case h.Poll:
		return polling
	case !h.AllowHTTP && !clientip.Secure(r):
		return plainHTTP
	case h.sources != nil && (clientip.Early(r) || !h.sources.Contains(clientip.Of(r))):
		return wrongSource
	case state == redact.Lost:
		return redactedSecret
	case len(secrets) == 0:
		return noSecret
	case len(secrets) > 1:
		return wrongSecret
	}
	return h.verifySecret(r, secrets[0])
}

// verifySecret checks a request with one secret.
func (h *Handler) verifySecret(r *http.Request, value string) result {
	switch {
	case h.webhook.Secrets.Match(value):
		return h.verifyForm(r)
	case !h.webhook.Secrets.Known():
		return notReady
	}
	return wrongSecret
}

// verifyAgain checks an unknown secret after a reading of storage: another node may have made it.
func (h *Handler) verifyAgain(r *http.Request, value string) result {
	doubt := h.webhook.Secrets.Refresh(r.Context())
	if result := h.verifySecret(r, value); result != wrongSecret || !doubt {
		return result
	}
	return storageAway
}

// verifyForm checks a request with the right secret: an answer may say what is wrong.
func (h *Handler) verifyForm(r *http.Request) result {
	switch {
	case r.Method != http.MethodPost:
		return wrongMethod
	case !deliver.IsJSON(r.Header["Content-Type"]):
		return wrongType
	case r.ContentLength > h.answers.MaxBody:
		return tooLarge
	}
	return passed
}

// isForgery reports whether a refused request counts toward a penalty: a wrong secret, or a POST of JSON without one. A
// web page can make browsers send a GET, a form or text/plain to any address, but not the secret header or JSON without
// asking the address first. The right secret over plain HTTP or from another source is no forgery.
func (h *Handler) isForgery(r *http.Request, secrets []string) bool {
	known := h.webhook.Secrets
	if !known.Known() && !h.Poll || len(secrets) == 1 && known.Match(secrets[0]) {
		return false
	}
	return len(secrets) > 0 || r.Method == http.MethodPost && deliver.IsJSON(r.Header["Content-Type"])
}

// refuse answers with a bare status, the same 403 for every reason that keeps a
// stranger out. Caddy's error path would cost more and say more.
func (h *Handler) refuse(w http.ResponseWriter, r *http.Request, why result, secrets []string) {
	skipAccessLog(r)
	deliver.ClearPlaceholders(r)
	if results[why].penalized && h.listener.Refused(r, h.isForgery(r, secrets)) {
		w.Header().Set("Connection", "close") // the wrapper accepts no new one for a while
	}
	h.rules(r, w.Header()).Refuse(w, r, results[why].status)
	h.recordRefusal(r, why)
}

// rules returns the rules for the answer to r. Strict-Transport-Security means nothing
// without TLS, and a value that the site has set before is its own policy and stays.
func (h *Handler) rules(r *http.Request, answer http.Header) deliver.Rules {
	rules := h.answers
	if !clientip.Secure(r) {
		rules.HSTS = ""
	} else if rules.HSTS != "" {
		rules.HSTS = cmp.Or(answer.Get("Strict-Transport-Security"), rules.HSTS)
	}
	return rules
}

// recordRefusal counts a refusal and writes it to the audit log.
func (h *Handler) recordRefusal(r *http.Request, why result) {
	h.webhook.Metrics().Count(int(why))
	if why == audited {
		return
	}
	fromTelegram := clientip.Telegram.Contains(clientip.Of(r))
	if fromTelegram && (why == noSecret || why == wrongSecret) {
		h.webhook.Suspect()
	}
	h.refused.Add(int(why), func() []zap.Field {
		fields := append(h.webhook.Describe(r), zap.Bool("from_telegram", fromTelegram))
		if why == redactedSecret {
			fields = append(fields, zap.String("remedy", "another telegram_webhook in front of this one has taken the secret; keep only one of the two for this host"))
		}
		return fields
	})
}

// deliver hands a genuine update on to the bot, and records the outcome.
func (h *Handler) deliver(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler, secrets []string, remember bool) {
	switch {
	case h.ForwardSecret == nil:
		delete(r.Header, telegram.SecretHeader)
	case h.forward != nil:
		r.Header[telegram.SecretHeader] = h.forward
	default:
		r.Header[telegram.SecretHeader] = secrets
	}
	update := deliver.ReadUpdate(r, h.webhook.Name(), h.webhook.BotID(), h.answers.MaxBody)
	if update == nil { // its length was not announced
		h.refuse(w, r, tooLarge, secrets)
		return
	}
	rules := h.rules(r, w.Header())
	outcome := deliver.Outcome{Kind: deliver.Broken} // unless Deliver returns
	defer func(start time.Time) { h.recordDelivery(r, outcome, time.Since(start)) }(h.webhook.Begin())
	outcome = rules.Deliver(w, r, next, h.webhook.Once(update, remember))
}

// recordDelivery counts a genuine update, and logs it if the bot has not taken it.
func (h *Handler) recordDelivery(r *http.Request, outcome deliver.Outcome, took time.Duration) {
	h.webhook.End(int(passed), outcome.Status, took)
	log, kind := h.failed, outcome.Kind
	switch {
	case kind == deliver.Answered:
		h.webhook.RecordAnswer(outcome)
		return
	case kind == deliver.InFlight || kind == deliver.Repeated || kind == deliver.Closed && h.webhook.RegisteredRecently():
		log = h.repeated
	}
	log.Add(int(kind), func() []zap.Field {
		return append(h.webhook.Describe(r), zap.Int("status", outcome.Status), zap.Error(outcome.Err))
	})
}
