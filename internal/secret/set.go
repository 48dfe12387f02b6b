package secret

import (
	"crypto/subtle"
	"encoding/binary"
	"time"

	"github.com/caddy-telegram/telegramwebhook/internal/telegram"
)

// Accepted is one secret that is accepted.
type Accepted struct {
	Value string
	Until time.Time // zero: for ever
}

// Set is the secrets that are accepted at one moment. It never changes once it
// is made, so any number of requests may ask it at once without a lock.
type Set struct {
	accepted []padded
}

// padded is a secret filled up with zeros to the longest one's length, in words
// of eight bytes, and its own length: every comparison does the same work.
type padded struct {
	words [telegram.MaxSecret / 8]uint64
	len   uint64
	until time.Time
}

// NewSet makes a set of secrets whose values Check has found good.
func NewSet(accepted ...Accepted) *Set {
	s := &Set{accepted: make([]padded, len(accepted))}
	for i, a := range accepted {
		s.accepted[i] = pad(a.Value)
		s.accepted[i].until = a.Until
	}
	return s
}

func pad(value string) (p padded) {
	var bytes [telegram.MaxSecret]byte
	copy(bytes[:], value)
	for i := range p.words {
		p.words[i] = binary.LittleEndian.Uint64(bytes[8*i:])
	}
	p.len = uint64(len(value))
	return p
}

// Match reports whether got is one of the accepted secrets. It takes the same time
// whatever wrong value got holds and however near it comes, and allocates nothing.
func (s *Set) Match(got string) bool {
	g := pad(got)
	match := 0 // the place of the first equal one, from 1
	for i := len(s.accepted) - 1; i >= 0; i-- {
		match = subtle.ConstantTimeSelect(s.accepted[i].equal(&g), i+1, match)
	}
	if match == 0 {
		return false
	}
	until := s.accepted[match-1].until
	return until.IsZero() || time.Now().Before(until)
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
