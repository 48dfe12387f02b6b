// Package secret makes, keeps, rotates and matches a webhook's secrets.
//
//   - secret.go: the form of a secret, new secrets, the options of a rotation; accepted secrets, compared in constant time
//   - source.go: the interface of both sources; configured secrets
//   - kept.go, rotate.go, record.go: secrets made by the gate and kept in storage
package secret

import (
	"cmp"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/caddy-telegram/telegramwebhook/internal/telegram"
)

const (
	// StrongLen is the length of a random base64url secret that cannot be guessed: 22 characters hold 128 bits.
	StrongLen = 22

	// minLen is the least length of a secret; a shorter value is taken for a mistake.
	minLen = 16
)

// ErrMissing is the error of a webhook with neither a secret nor a bot token.
var ErrMissing = errors.New("is missing, and so is bot_token; without one every forged update would pass. " +
	"With bot_token a secret is made, kept and registered; or make one with: caddy telegram-webhook secret")

// Check checks value by Telegram's rules for a secret_token. The error never holds the value or a part of it.
func Check(value string) error {
	switch {
	case value == "":
		return errors.New("is empty")
	case telegram.Token.MatchString(value):
		return errors.New("is a bot token; write it as bot_token, and take a secret that nobody else knows")
	}
	if len(value) > telegram.MaxSecret {
		return fmt.Errorf("has %d characters; Telegram takes 1 to %d", len(value), telegram.MaxSecret)
	}
	for i, c := range value {
		if c == ' ' {
			return fmt.Errorf("has a blank at position %d; write each secret by itself, of only A-Z a-z 0-9 _ -", i+1)
		}
		if !strings.ContainsRune("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-", c) {
			return fmt.Errorf("has a character at position %d that Telegram does not take; use only A-Z a-z 0-9 _ -", i+1)
		}
	}
	return nil
}

// CheckAccepted is Check for a secret that a webhook accepts.
func CheckAccepted(value string) error {
	err := Check(value)
	if err == nil && len(value) < minLen {
		return fmt.Errorf("has %d characters, and at least %d are needed; make one with: caddy telegram-webhook secret", len(value), minLen)
	}
	return err
}

// CheckForwarded is Check for a secret that the bot gets in place of the webhook's.
func CheckForwarded(value string) error {
	err := Check(value)
	if err == nil && len(value) < minLen {
		return fmt.Errorf("takes a secret for the bot, of at least %d characters, or no value to hand on the one that came; leave it out to hand on none", minLen)
	}
	return err
}

// New makes a secret: 32 random bytes in base64url without padding.
func New() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails: the process ends if there is no randomness
	return base64.RawURLEncoding.EncodeToString(b[:])
}

const (
	defaultRotate = 30 * 24 * time.Hour
	defaultGrace  = 10 * time.Minute

	// minRotate is the shortest time between two rotations. A rotation takes
	// settleTime and a call of setWebhook; Telegram allows one such call a second.
	minRotate = 5 * time.Second
)

// Rotation returns how long a secret is registered, 0 for ever, and how long it is accepted
// afterwards. The configured durations are 0 for the default and negative for off.
func Rotation(rotate, grace time.Duration) (every, after time.Duration, err error) {
	every, after = max(0, cmp.Or(rotate, defaultRotate)), max(0, cmp.Or(grace, defaultGrace))
	switch {
	case every == 0:
		return 0, after, nil
	case every < minRotate:
		return 0, 0, fmt.Errorf("%s is less than %s", every, minRotate)
	case after > every && grace != 0:
		return 0, 0, fmt.Errorf("the grace period of %s is longer than the %s after which the secret changes", after, every)
	}
	return every, min(after, every), nil
}

// Set holds the accepted secrets. It never changes, so requests use it without a lock.
type Set struct{ accepted []padded }

// padded is a secret padded with zeros to Telegram's longest, so that every comparison does the same work.
type padded struct {
	value  [telegram.MaxSecret]byte
	length int32
	until  time.Time
}

// NewSet makes a set of secrets that Check has passed.
func NewSet(accepted ...kept) *Set {
	s := &Set{make([]padded, len(accepted))}
	for i, a := range accepted {
		s.accepted[i] = pad(a)
	}
	return s
}

func pad(a kept) padded {
	p := padded{length: int32(len(a.Value)), until: a.Until}
	copy(p.value[:], a.Value)
	return p
}

// Match reports whether value is one of the accepted secrets. It takes the same time for all
// wrong values, and allocates nothing.
func (s *Set) Match(value string) bool {
	got, match := pad(kept{Value: value}), 0
	for i := range s.accepted {
		want := &s.accepted[i]
		if want.until.IsZero() || time.Now().Before(want.until) {
			match |= subtle.ConstantTimeCompare(want.value[:], got.value[:]) & subtle.ConstantTimeEq(want.length, got.length)
		}
	}
	return match == 1
}
