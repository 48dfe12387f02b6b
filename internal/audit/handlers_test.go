package audit

import (
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"

	"github.com/caddy-telegram/telegramwebhook/internal/telegram"
)

func (n *network) watch(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if genuine(r) {
			n.secretSent.Store(true)
			n.sentInClear.CompareAndSwap(false, r.TLS == nil)
		}
		next.ServeHTTP(w, r)
	})
}

func genuine(r *http.Request) bool { return r.Header.Get(telegram.SecretHeader) == theSecret }

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

var (
	bot  = answering(http.StatusOK, "")
	call = answering(http.StatusOK, `{"method":"sendMessage"}`)
)

// gated is a site on which the secret is checked at one path; what to do with a
// request without it is told.
func gated(refuse, next http.Handler) http.Handler {
	return with("Strict-Transport-Security", "max-age=31536000", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.RequestURI != "/telegram":
			w.WriteHeader(http.StatusNotFound)
		case !genuine(r):
			refuse.ServeHTTP(w, r)
		default:
			next.ServeHTTP(w, r)
		}
	}))
}

func gate(next http.Handler) http.Handler           { return gated(answering(http.StatusForbidden, ""), next) }
func refusingWith(refuse http.Handler) http.Handler { return gated(refuse, bot) }
func refusing(status int) http.Handler              { return refusingWith(answering(status, "")) }

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

// onOtherPaths is a site with a handler for all paths but the bot's, and another one
// for that.
func onOtherPaths(h, telegram http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.RequestURI != "/telegram" {
			h.ServeHTTP(w, r)
		} else {
			telegram.ServeHTTP(w, r)
		}
	})
}

// inTurn is a bot on every path that says something else each time.
func inTurn(sayings ...string) http.Handler {
	var n atomic.Uint32
	talk := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, sayings[min(int(n.Add(1)), len(sayings))-1])
	})
	return onOtherPaths(talk, gate(talk))
}

// sayingNo is a bot that answers 400 at two paths, of which one is gated.
func sayingNo(sayings ...string) http.Handler {
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
			http.NotFound(w, r)
		}
	})
}

var (
	// silence takes requests and breaks off.
	silence = http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })

	onePath = onOtherPaths(bot, sound)

	checkedWhenPresent = refusingWith(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get(telegram.SecretHeader) != "" {
			w.WriteHeader(http.StatusForbidden)
		}
	}))
)
