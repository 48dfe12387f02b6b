package telegramtest

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/caddy-telegram/telegramwebhook/internal/telegram"
)

// APIOptions say how an API differs from Telegram's, so that a webhook on
// loopback can be registered. The zero value has Telegram's rules.
type APIOptions struct {
	// Tokens are the bots that exist, in the test environment too. Nil means
	// that every token of the right form is a bot's.
	Tokens []string

	// Local makes it a local Bot API server: http, any port, any address, up to
	// 100,000 connections.
	Local bool

	// AllowPort lets a webhook use any port.
	AllowPort bool

	// AllowReserved lets a webhook use reserved addresses, loopback for one.
	AllowReserved bool

	// Resolve returns the addresses of a host name. What it returns is checked,
	// shown in getWebhookInfo and dialed, and it is asked again every half an hour.
	// Nil means that every name resolves: the name itself is then dialed, and
	// getWebhookInfo shows 203.0.113.10.
	Resolve func(host string) ([]netip.Addr, error)

	// NoRoute reports whether an address cannot be connected to, which setWebhook
	// finds out by itself. Nil means that there is a route to all of them.
	NoRoute func(netip.AddrPort) bool

	// CopyCertificate takes as long as it takes to keep an uploaded certificate.
	// Nil is no time.
	CopyCertificate func()

	// Now is the clock, and the senders' clock unless Sender has one.
	// Default time.Now.
	Now func() time.Time

	// After waits where a Fault or a conflict delays an answer and where getUpdates
	// polls. Default time.After.
	After func(time.Duration) <-chan time.Time

	// NoDelivery keeps all updates waiting.
	NoDelivery bool

	// Sender is how each bot's updates are delivered.
	Sender Options
}

// API answers the Bot API methods that concern webhooks. What is registered is
// what the bot's Sender delivers to.
type API struct {
	opt APIOptions

	mu     sync.Mutex
	bots   map[string]*bot // by token, with "/test" behind it for the test environment
	known  map[string]bool // tokens that had a call already
	firsts map[string]moments
	calls  []Call
	fail   func(method string, params map[string]string) *Fault
}

// NewAPI returns an API without any webhook. Close ends its deliveries.
func NewAPI(o APIOptions) *API {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.After == nil {
		o.After = time.After
	}
	if o.Sender.Now == nil {
		o.Sender.Now = o.Now
	}
	return &API{opt: o, bots: make(map[string]*bot), known: make(map[string]bool), firsts: make(map[string]moments)}
}

// Start serves the API on loopback, for use as the address of a Bot API server.
// Stop also closes the API.
func (a *API) Start() (baseURL string, stop func()) {
	s := httptest.NewServer(a)
	return s.URL, func() {
		s.CloseClientConnections()
		s.Close()
		a.Close()
	}
}

// Close ends the deliveries of all bots.
func (a *API) Close() {
	a.mu.Lock()
	bots := a.bots
	a.bots = make(map[string]*bot)
	a.mu.Unlock()
	for _, b := range bots {
		b.sender.Close()
	}
}

// Send lets an update happen to a bot. A type that the bot did not ask for is
// dropped. For the test environment "/test" stands behind the token.
func (a *API) Send(token string, update []byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	b := a.bot(token)
	u := parseUpdate(update)
	if !b.allows(u.Type) {
		return
	}
	b.sender.queue(u)
	b.poll.notify()
}

// Sender returns what delivers a bot's updates, for its figures and to wait for
// it. To register a webhook past the API would leave getWebhookInfo unaware.
func (a *API) Sender(token string) *Sender {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.bot(token).sender
}

// Webhook returns what is registered for a bot, the secret and the certificate
// included. The URL is empty if there is nothing.
func (a *API) Webhook(token string) Webhook {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.bot(token).webhook()
}

// bot returns a bot's state, and makes it on first use.
func (a *API) bot(token string) *bot {
	b := a.bots[token]
	if b == nil {
		b = &bot{}
		o := a.opt.Sender
		if o.OnAttempt == nil {
			o.OnAttempt = func(Attempt) {}
		}
		told := o.OnAttempt
		o.OnAttempt = func(at Attempt) {
			if at.Call != nil {
				a.record(Call{Token: token, Method: at.Call.Method, Params: at.Call.Params, Files: at.Call.Files, InAnswer: true})
			}
			told(at)
		}
		b.sender = NewSender(Webhook{}, o)
		b.sender.onGone = func() { a.gone(b) }
		b.sender.resolve = a.resolve
		a.bots[token] = b
	}
	return b
}

// ServeHTTP answers /bot<token>/<method> and /bot<token>/test/<method>.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path, isBot := strings.CutPrefix(r.URL.Path, "/bot")
	token, method, hasMethod := strings.Cut(path, "/")
	if !isBot || !hasMethod {
		errorReply(http.StatusNotFound, "Not Found").write(w)
		return
	}
	q, err := readQuery(w, r)
	if err != nil {
		errorReply(http.StatusBadRequest, "Bad Request: "+err.Error()).write(w)
		return
	}
	q.token = token
	if after, ok := strings.CutPrefix(method, "test/"); ok {
		q.token, method = token+"/test", after
	}
	q.method = strings.ToLower(method)

	n := a.record(Call{Token: q.token, Method: method, Params: q.params, Files: q.files})
	answer := func() *reply {
		reply := a.call(q)
		a.answered(n, reply.status())
		return reply
	}
	if f := a.fault(method, q.params); f != nil {
		a.misbehave(w, r, f, n, answer)
		return
	}
	answer().write(w)
}

// call carries out a method.
func (a *API) call(q *query) *reply {
	token := strings.TrimSuffix(q.token, "/test")
	if !telegram.Token.MatchString(token) {
		return errorReply(http.StatusUnauthorized, "Unauthorized: invalid token specified")
	}
	exists := a.opt.Tokens == nil || slices.Contains(a.opt.Tokens, token)
	if wait := a.firstCall(q, exists); wait > 0 {
		return retryReply(wait)
	}
	if !exists {
		return errorReply(http.StatusUnauthorized, "Unauthorized")
	}
	switch q.method {
	case "setwebhook":
		return a.setWebhook(q, q.params["url"])
	case "deletewebhook":
		return a.setWebhook(q, "")
	case "getwebhookinfo":
		return a.getWebhookInfo(q)
	case "getupdates":
		return a.getUpdates(q)
	case "getme":
		return a.getMe(token)
	}
	return errorReply(http.StatusNotFound, "Not Found: method not found")
}

func (a *API) getMe(token string) *reply {
	id, _, _ := strings.Cut(token, ":")
	return okReply(map[string]any{
		"id": json.Number(id), "is_bot": true, "first_name": "Bot " + id, "username": "stand_in_" + id + "_bot",
		"can_join_groups": true, "can_read_all_group_messages": false, "supports_inline_queries": false,
	}, "")
}
