package telegramwebhook

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
	"go.uber.org/zap"

	"github.com/caddy-telegram/telegramwebhook/internal/answer"
	"github.com/caddy-telegram/telegramwebhook/internal/audit"
	"github.com/caddy-telegram/telegramwebhook/internal/placeholder"
	"github.com/caddy-telegram/telegramwebhook/internal/secret"
	"github.com/caddy-telegram/telegramwebhook/internal/source"
	"github.com/caddy-telegram/telegramwebhook/internal/withhold"
)

// A verdict says whether a request may pass, or why not.
type verdict int

const (
	passed verdict = iota
	plainHTTP
	wrongSource
	noSecret
	wrongSecret
	notReady
	wrongMethod
	wrongType
	tooLarge
)

// verdicts names the verdicts in logs and metrics.
var verdicts = []string{
	"passed", "plain_http", "wrong_source", "no_secret", "wrong_secret", "not_ready", "wrong_method", "wrong_type", "too_large",
}

// ServeHTTP lets a genuine update through to the next handler and refuses
// anything else. It answers every request itself and returns no error.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	hsts := ""
	if source.Secure(r) {
		hsts = h.answers.HSTS
	}
	if !withhold.Done(r) {
		skipAccessLog(r)
	}
	v, role := h.judge(r)
	if v != passed {
		skipAccessLog(r)
		h.refuse(w, r, v, hsts)
		return nil
	}
	h.webhook().metrics.Matched(int(role))
	h.listener.Passed(r)
	h.deliver(w, r, next, hsts)
	return nil
}

// RefuseEarly refuses a request without an accepted secret where Caddy has done
// nothing for it yet. All else is left to ServeHTTP.
func (h *Handler) RefuseEarly(w http.ResponseWriter, r *http.Request) bool {
	if r.TLS == nil {
		return false // Caddy may know better
	}
	v, _ := h.judge(r)
	if v != wrongSource && v != noSecret && v != wrongSecret {
		return false
	}
	h.refuse(w, r, v, h.answers.HSTS)
	return true
}

// judge is verify, with another look at the secrets before one is refused.
func (h *Handler) judge(r *http.Request) (verdict, secret.Role) {
	v, role := h.verify(r)
	if (v == wrongSecret || v == notReady) && h.secrets.Refresh(r.Context()) {
		v, role = h.verify(r) // another node may have made a new one
	}
	return v, role
}

// verify is the rule. It reads no body, takes no lock and allocates nothing.
func (h *Handler) verify(r *http.Request) (verdict, secret.Role) {
	if !h.AllowHTTP && !source.Secure(r) {
		return plainHTTP, 0
	}
	if h.sources != nil && (source.Early(r) || !h.sources.Contains(source.ClientIP(r))) {
		return wrongSource, 0
	}
	values := withhold.Values(r)
	switch {
	case len(values) == 0:
		return noSecret, 0
	case len(values) > 1:
		return wrongSecret, 0
	}
	accepted := h.secrets.Accepted()
	if accepted == nil {
		return notReady, 0
	}
	role, ok := accepted.Match(values[0])
	if !ok {
		return wrongSecret, 0
	}
	return h.verifyForm(r), role
}

// verifyForm checks a request from someone who knows the secret: an answer may
// now say what is wrong.
func (h *Handler) verifyForm(r *http.Request) verdict {
	switch {
	case r.Method != http.MethodPost:
		return wrongMethod
	case !isJSON(r.Header["Content-Type"]):
		return wrongType
	case r.ContentLength > h.answers.MaxBody:
		return tooLarge
	}
	return passed
}

// isJSON reports whether the one Content-Type is application/json, with whatever
// parameters.
func isJSON(contentType []string) bool {
	if len(contentType) != 1 {
		return false
	}
	mediaType, _, _ := strings.Cut(contentType[0], ";")
	return strings.EqualFold(strings.TrimSpace(mediaType), "application/json")
}

// refuse answers with a bare status: 403, the same for whatever keeps a stranger
// out. Caddy's error path would cost more and say more.
func (h *Handler) refuse(w http.ResponseWriter, r *http.Request, v verdict, hsts string) {
	header := w.Header()
	delete(header, "Server")
	delete(header, "Alt-Svc")
	if hsts != "" && header.Get("Strict-Transport-Security") == "" {
		header.Set("Strict-Transport-Security", hsts)
	}
	status := http.StatusForbidden
	switch v {
	case plainHTTP, wrongSource, noSecret, wrongSecret:
		if h.listener.Refused(r, len(withhold.Values(r)) > 0) {
			header.Set("Connection", "close") // no new one is accepted for a while
		}
	case notReady:
		// Nobody can tell yet whether it is genuine. Telegram shall come again.
		status = http.StatusServiceUnavailable
		h.answers.SetRetryAfter(header)
	case wrongMethod:
		status = http.StatusMethodNotAllowed
		header.Set("Allow", http.MethodPost)
	case wrongType:
		status = http.StatusUnsupportedMediaType
	case tooLarge:
		status = http.StatusRequestEntityTooLarge
	}
	if r.ProtoMajor == 1 && r.ContentLength != 0 {
		// net/http reads the rest of a body before it sends the answer, and a
		// stranger may keep that back. If this cannot be set it waits longer.
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(drainTime))
	}
	w.WriteHeader(status)
	h.record(r, v)
}

// drainTime is how long a refused request may take to send its body.
const drainTime = time.Second

// record counts a refusal and writes it to the audit log.
func (h *Handler) record(r *http.Request, v verdict) {
	h.webhook().metrics.Count(int(v))
	telegram := source.Telegram(source.ClientIP(r))
	if telegram && (v == noSecret || v == wrongSecret) {
		h.registering.at().Suspect()
	}
	h.refused.Add(int(v), func() []zap.Field {
		return append(h.describe(r), zap.Bool("from_telegram", telegram))
	})
}

// deliver hands a genuine update on to the bot, and records how that went.
func (h *Handler) deliver(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler, hsts string) {
	switch {
	case h.ForwardSecret == nil:
		delete(r.Header, secret.Header)
	case h.forward != nil:
		r.Header[secret.Header] = h.forward
	default:
		r.Header[secret.Header] = withhold.Values(r)
	}

	h.arrange()
	me := h.webhook()
	body := placeholder.Provide(r, placeholder.Webhook{Name: me.name, BotID: me.botID}, h.answers.MaxBody)
	rules := h.answers
	rules.HSTS = hsts
	outcome := answer.Outcome{Kind: answer.Broken} // unless Deliver returns
	defer func(start time.Time) { h.recordDelivery(r, outcome, time.Since(start)) }(time.Now())
	outcome = rules.Deliver(w, r, h.updates.Once(body.Update, next))
}

// recordDelivery counts a genuine update, and logs one that the bot has not taken.
func (h *Handler) recordDelivery(r *http.Request, outcome answer.Outcome, took time.Duration) {
	if outcome.Kind == answer.TooLarge {
		h.record(r, tooLarge)
		return
	}
	m := h.webhook().metrics
	m.Count(int(passed))
	m.Delivered(outcome.Status, took)
	if outcome.Kind != answer.Answered {
		h.failed.Add(int(outcome.Kind), func() []zap.Field {
			return append(h.describe(r), zap.Int("status", outcome.Status), zap.Error(outcome.Err))
		})
	}
}

// describe says who asked for what.
func (h *Handler) describe(r *http.Request) []zap.Field {
	return audit.Request(r, h.registering.redact(r.URL.Path))
}

// skipAccessLog keeps the request out of the site's access log.
func skipAccessLog(r *http.Request) {
	caddyhttp.SetVar(r.Context(), caddyhttp.LogSkipVar, true)
}

// provisionSecrets takes the secrets of the configuration. Others belong to the
// bot, and are provisioned with the registration.
func (h *Handler) provisionSecrets() error {
	if len(h.Secret) == 0 {
		if h.BotToken == "" {
			return h.fieldError("secret", secret.ErrMissing)
		}
		return nil
	}
	if h.DeriveSecret || h.Rotate != 0 || h.RotateGrace != 0 {
		return h.fieldError("secret", errors.New("is given, and derive_secret and rotate are for secrets that are not; take the one or the others out"))
	}
	var err error
	if h.secrets, err = secret.Given(h.Secret, h.logger, h.Caddyfile["secret"]); err != nil {
		return h.fieldError("secret", err)
	}
	return nil
}

func (h *Handler) provisionForward() error {
	if h.ForwardSecret == nil || *h.ForwardSecret == "" {
		return nil
	}
	value, err := secret.Resolve(*h.ForwardSecret)
	if err != nil {
		return h.fieldError("forward_secret", err)
	}
	h.forward = []string{value}
	return nil
}

func (h *Handler) provisionSources() (err error) {
	if len(h.Source) == 0 {
		return nil
	}
	if h.sources, err = source.Parse(h.Source...); err != nil {
		return h.fieldError("source", err)
	}
	return nil
}

// warn tells what loads but is not as safe as it could be.
func (h *Handler) warn(ctx caddy.Context) {
	secret.WarnOfLiteral(h.logger, "secret", h.Caddyfile["secret"], h.Secret...)
	secret.WarnOfLiteral(h.logger, "bot_token", h.Caddyfile["bot_token"], h.BotToken)
	if h.ForwardSecret == nil {
		return
	}
	secret.WarnOfLiteral(h.logger, "forward_secret", h.Caddyfile["forward_secret"], *h.ForwardSecret)
	if ctx.Logger(new(reverseproxy.Handler)).Core().Enabled(zap.DebugLevel) {
		h.logger.Warn("forward_secret at log level DEBUG: reverse_proxy writes the header that it sends into the log",
			zap.String("at", h.Caddyfile["forward_secret"]))
	}
}
