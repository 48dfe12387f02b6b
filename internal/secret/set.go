package secret

import (
	"crypto/subtle"
	"time"

	"github.com/caddy-telegram/telegramwebhook/internal/telegram"
)

// Set holds the accepted secrets. It never changes, so requests use it without a lock.
type Set struct{ accepted []padded }

// padded is a secret padded with zeros to Telegram's longest, so that every comparison does
// the same work.
type padded struct {
	value  [telegram.MaxSecret]byte
	length int32
	until  time.Time
}

// NewSet makes a set of secrets that Check has passed.
func NewSet(accepted ...kept) *Set {
	s := &Set{make([]padded, len(accepted))}
	for i, a := range accepted {
		s.accepted[i] = pad(a.Value)
		s.accepted[i].until = a.Until
	}
	return s
}

func pad(value string) padded {
	p := padded{length: int32(len(value))}
	copy(p.value[:], value)
	return p
}

// Match reports whether value is one of the accepted secrets. It takes the same time for all
// wrong values, and allocates nothing.
func (s *Set) Match(value string) bool {
	got, match := pad(value), 0
	for i := range s.accepted {
		want := &s.accepted[i]
		if want.until.IsZero() || time.Now().Before(want.until) {
			match |= subtle.ConstantTimeCompare(want.value[:], got.value[:]) & subtle.ConstantTimeEq(want.length, got.length)
		}
	}
	return match == 1
}
