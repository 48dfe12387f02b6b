// Package secret holds what a webhook's secret token must look like and
// compares what arrives with what is accepted.
package secret

import (
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
)

// Header is the header in which Telegram sends a webhook's secret token, in
// the canonical form in which net/http keeps it.
const Header = "X-Telegram-Bot-Api-Secret-Token"

const (
	// MaxLen is the longest secret that setWebhook takes.
	MaxLen = 256

	// StrongLen is the length from which a random base64url secret cannot be
	// guessed any more: 22 characters hold 128 bits.
	StrongLen = 22
)

// Check reports why Telegram would not take value as a secret_token. The error
// never holds the value or a part of it.
func Check(value string) error {
	if value == "" {
		return errors.New("is empty")
	}
	if len(value) > MaxLen {
		return fmt.Errorf("has %d characters; Telegram takes 1 to %d", len(value), MaxLen)
	}
	for i := range len(value) {
		if !allowed(value[i]) {
			return fmt.Errorf("has a character at position %d that Telegram does not take; use only A-Z a-z 0-9 _ -", i+1)
		}
	}
	return nil
}

func allowed(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || c == '-'
}

// Set is the secrets that are accepted at one moment. It never changes once it
// is made, so any number of requests may ask it at once without a lock.
type Set struct {
	accepted []padded
}

// padded is a secret filled up with zeros to the longest one's length, in words
// of eight bytes, and its own length: every comparison does the same work.
type padded struct {
	words [MaxLen / 8]uint64
	len   uint64
}

// NewSet makes a set of values that Check has found good.
func NewSet(values ...string) *Set {
	s := &Set{accepted: make([]padded, len(values))}
	for i, v := range values {
		s.accepted[i] = pad(v)
	}
	return s
}

func pad(value string) (p padded) {
	var bytes [MaxLen]byte
	copy(bytes[:], value)
	for i := range p.words {
		p.words[i] = binary.LittleEndian.Uint64(bytes[8*i:])
	}
	p.len = uint64(len(value))
	return p
}

// Match reports whether got is one of the accepted secrets. It takes the same
// time whatever got holds and whichever secret it equals, and allocates nothing.
func (s *Set) Match(got string) bool {
	g := pad(got)
	match := 0
	for i := range s.accepted {
		match |= s.accepted[i].equal(&g)
	}
	return match == 1
}

// equal returns 1 for equal secrets and 0 for others, without a branch that
// depends on either.
func (p *padded) equal(q *padded) int {
	diff := p.len ^ q.len
	for i := range p.words {
		diff |= p.words[i] ^ q.words[i]
	}
	return subtle.ConstantTimeEq(int32(diff>>32|diff&(1<<32-1)), 0)
}
