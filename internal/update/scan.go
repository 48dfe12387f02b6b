package update

import (
	"bytes"
	"encoding/json"
	"fmt"
	"iter"
	"strings"
	"unicode/utf8"
)

// maxDepth is how deep values may be nested, the same as in encoding/json. A
// level costs stack.
const maxDepth = 10000

// scanner reads JSON value by value and checks it on the way. After the first
// error it comes to an end at once, and what it returns means nothing.
type scanner struct {
	body  []byte
	at    int // the next byte to read
	depth int
	err   error
}

// fail records what is wrong, if it is the first thing.
func (s *scanner) fail(expected string) {
	if s.err != nil {
		return
	}
	if s.at == len(s.body) {
		s.err = fmt.Errorf("not JSON: ends after %d bytes, expected %s", s.at, expected)
		return
	}
	s.err = fmt.Errorf("not JSON: at byte %d, expected %s", s.at, expected)
}

// end reports what was wrong, or follows.
func (s *scanner) end() error {
	if s.space(); s.at < len(s.body) {
		s.fail("nothing after the update")
	}
	return s.err
}

// object reads the next value. If it is an object it yields every key, and the
// loop's body has to read the key's value; any other value it skips.
func (s *scanner) object() iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		if s.space(); !s.accept('{') {
			s.skip()
			return
		}
		for more := s.open('}'); more; more = s.more('}') {
			key := s.key()
			if s.err != nil || !yield(decode(key)) {
				return
			}
		}
	}
}

// skip reads the next value, whatever it is, and returns its text.
func (s *scanner) skip() []byte {
	s.space()
	start := s.at
	switch s.peek() {
	case '{':
		s.at++
		for more := s.open('}'); more; more = s.more('}') {
			s.key()
			s.skip()
		}
	case '[':
		s.at++
		for more := s.open(']'); more; more = s.more(']') {
			s.skip()
		}
	case '"':
		s.at++
		s.text()
	case 't':
		s.literal("true")
	case 'f':
		s.literal("false")
	case 'n':
		s.literal("null")
	default:
		s.number()
	}
	return s.body[start:s.at]
}

// open enters an object or array and reports whether there is anything in it.
func (s *scanner) open(closing byte) bool {
	if s.depth++; s.depth > maxDepth {
		s.fail("at most 10000 levels")
	}
	if s.space(); s.accept(closing) {
		s.depth--
		return false
	}
	return s.err == nil
}

// more comes after a value in an object or array and reports whether another
// follows.
func (s *scanner) more(closing byte) bool {
	if s.space(); s.accept(',') {
		return s.err == nil
	}
	if s.depth--; !s.accept(closing) {
		s.fail("a comma or the end of an object or array")
	}
	return false
}

// key reads a key, and the colon after it. The key is as it stands there, in
// quotes.
func (s *scanner) key() []byte {
	s.space()
	start := s.at
	if !s.accept('"') {
		s.fail("a key")
	}
	s.text()
	key := s.body[start:s.at]
	if s.space(); !s.accept(':') {
		s.fail("a colon")
	}
	return key
}

// decode returns what a string in quotes stands for. encoding/json does the rare
// ones, so that escapes and invalid UTF-8 mean the same here.
func decode(quoted []byte) []byte {
	if bytes.IndexByte(quoted, '\\') < 0 && utf8.Valid(quoted) {
		return quoted[1 : len(quoted)-1]
	}
	var s string
	json.Unmarshal(quoted, &s) // has no error to return: the scanner saw to that
	return []byte(s)
}

// text reads a string after the opening quote.
func (s *scanner) text() {
	for s.at < len(s.body) {
		switch c := s.body[s.at]; {
		case c == '"':
			s.at++
			return
		case c == '\\':
			s.at++
			s.escape()
		case c < ' ':
			s.fail("no control character in a string")
			return
		default:
			s.at++
		}
	}
	s.fail("the end of a string")
}

// escape reads what comes after a backslash.
func (s *scanner) escape() {
	switch s.peek() {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		s.at++
	case 'u':
		s.at++
		for range 4 {
			if !s.acceptAny("0123456789abcdefABCDEF") {
				s.fail("a hexadecimal digit")
			}
		}
	default:
		s.fail("an escape")
	}
}

func (s *scanner) literal(name string) {
	if !bytes.HasPrefix(s.body[s.at:], []byte(name)) {
		s.fail("true, false or null")
		return
	}
	s.at += len(name)
}

func (s *scanner) number() {
	s.accept('-')
	if !s.accept('0') {
		s.digits("a value")
	}
	if s.accept('.') {
		s.digits("a digit")
	}
	if s.acceptAny("eE") {
		s.acceptAny("+-")
		s.digits("a digit")
	}
}

func (s *scanner) digits(expected string) {
	start := s.at
	for c := s.peek(); '0' <= c && c <= '9'; c = s.peek() {
		s.at++
	}
	if s.at == start {
		s.fail(expected)
	}
}

// space passes over white space.
func (s *scanner) space() {
	for {
		switch s.peek() {
		case ' ', '\n', '\r', '\t':
			s.at++
		default:
			return
		}
	}
}

// accept passes over the next byte if it is c.
func (s *scanner) accept(c byte) bool {
	if s.peek() != c {
		return false
	}
	s.at++
	return true
}

func (s *scanner) acceptAny(set string) bool {
	return strings.IndexByte(set, s.peek()) >= 0 && s.accept(s.peek())
}

// peek returns the next byte, or 0 at the end, which is valid nowhere in JSON.
func (s *scanner) peek() byte {
	if s.at == len(s.body) {
		return 0
	}
	return s.body[s.at]
}
