package command

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"

	"github.com/caddy-telegram/telegramwebhook/internal/wire"
)

// The handlers. Which secret is the right one they learn from the request's
// context.

type secretKey struct{}

func (n *network) watch(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r = r.WithContext(context.WithValue(r.Context(), secretKey{}, n.secret))
		if genuine(r) {
			n.told.Store(true)
			n.overheard.CompareAndSwap(false, r.TLS == nil)
		}
		next.ServeHTTP(w, r)
	})
}

func genuine(r *http.Request) bool {
	return r.Header.Get(wire.SecretHeader) == r.Context().Value(secretKey{})
}

func answering(status int, body string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	})
}

// with sets a header whatever the handler does; an empty value is none.
func with(name, value string, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, r)
		for key, values := range rec.Header() {
			w.Header()[key] = values
		}
		if w.Header().Set(name, value); value == "" {
			w.Header().Del(name)
		}
		w.WriteHeader(rec.Code)
		_, _ = w.Write(rec.Body.Bytes())
	})
}

func without(name string, h http.Handler) http.Handler { return with(name, "", h) }

var bot = answering(http.StatusOK, "")

// gated is a site on which the secret is checked at one path; what to do with a
// request without it is told.
func gated(refuse, next http.Handler) http.Handler {
	return with("Strict-Transport-Security", "max-age=31536000", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.RequestURI != "/telegram":
			w.WriteHeader(http.StatusNotFound)
		case !genuine(r):
			refuse.ServeHTTP(w, r)
		case r.Method != http.MethodPost:
			w.WriteHeader(http.StatusMethodNotAllowed)
		case r.Header.Get("Content-Type") != "application/json":
			w.WriteHeader(http.StatusUnsupportedMediaType)
		default:
			next.ServeHTTP(w, r)
		}
	}))
}

func gate(next http.Handler) http.Handler           { return gated(answering(http.StatusForbidden, ""), next) }
func refusingWith(refuse http.Handler) http.Handler { return gated(refuse, bot) }
func refusing(status int, body string) http.Handler { return refusingWith(answering(status, body)) }

var sound = gate(bot)

// elseAt is a sound site but for one path, as it is written.
func elseAt(uri string, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.RequestURI == uri {
			h.ServeHTTP(w, r)
		} else {
			sound.ServeHTTP(w, r)
		}
	})
}

func openAt(uri string) http.Handler { return elseAt(uri, bot) }

// elsewhere is a site with another handler for all paths but the bot's.
func elsewhere(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.RequestURI != "/telegram" {
			h.ServeHTTP(w, r)
		} else {
			sound.ServeHTTP(w, r)
		}
	})
}

// inTurn is a bot on every path that says something else each time.
func inTurn(sayings ...string) http.Handler {
	var n atomic.Uint32
	talk := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, sayings[min(int(n.Add(1)), len(sayings))-1])
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.RequestURI != "/telegram" {
			talk.ServeHTTP(w, r)
		} else {
			gate(talk).ServeHTTP(w, r)
		}
	})
}

// sayingNo is a bot that answers 400 at two paths, of which one is gated, and
// another handler for the rest.
func sayingNo(rest http.Handler, sayings ...string) http.Handler {
	var n atomic.Uint32
	no := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, sayings[int(n.Add(1)-1)%len(sayings)])
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.RequestURI {
		case "/telegram":
			gate(no).ServeHTTP(w, r)
		case "/telegram/":
			no.ServeHTTP(w, r)
		default:
			rest.ServeHTTP(w, r)
		}
	})
}

var (
	// silence takes requests and breaks off.
	silence = http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })

	onePath = elsewhere(bot)

	checkedWhenPresent = refusingWith(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get(wire.SecretHeader) != "" {
			w.WriteHeader(http.StatusForbidden)
		}
	}))

	anyRequest = with("Strict-Transport-Security", "max-age=31536000", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !genuine(r) {
			w.WriteHeader(http.StatusForbidden)
		}
	}))

	earlyHints = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.RequestURI == "/telegram" && !genuine(r) {
			w.WriteHeader(http.StatusEarlyHints)
		}
		sound.ServeHTTP(w, r)
	})

	echo = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, "not "+r.Header.Get(wire.SecretHeader))
	})

	otherwise = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get(wire.SecretHeader) == "" {
			w.WriteHeader(http.StatusUnauthorized)
		} else {
			w.WriteHeader(http.StatusForbidden)
		}
	})
)
