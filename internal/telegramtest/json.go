package telegramtest

import (
	"bytes"
	"encoding/json"
	"iter"
	"regexp"
)

// jsonFields returns the fields of an object, up to an error in it: text decoded, anything
// else as it stands. Unlike encoding/json it takes what Telegram takes, such as the number
// 01 and bytes that are no UTF-8.
func jsonFields(body []byte) iter.Seq2[string, string] {
	return func(yield func(key, value string) bool) {
		r := jsonReader{body}
		for ok := r.skip('{'); ok && !r.skip('}'); ok = r.skip(',') || r.next() == '}' {
			key, isText := r.text()
			if !isText || !r.skip(':') {
				return
			}
			value, isText := r.text()
			if start := r.rest; !isText {
				if !r.value(100) {
					return
				}
				value = string(start[:len(start)-len(r.rest)])
			}
			if !yield(key, value) {
				return
			}
		}
	}
}

type jsonReader struct{ rest []byte }

var (
	jsonText   = regexp.MustCompile(`^"(?:[^"\\]|\\u[[:xdigit:]]{4}|\\[^u])*"`)
	jsonScalar = regexp.MustCompile(`^(?:false|true|null|[-+.0-9][-+.0-9eE]*)`)
	jsonEscape = regexp.MustCompile(`\\(?:u[dD][89a-fA-F]..\\u.{4}|u.{4}|[^u])`)
)

// next returns the next byte that is no white space, 0 at the end.
func (r *jsonReader) next() byte {
	r.rest = bytes.TrimLeft(r.rest, " \t\r\n")
	if len(r.rest) == 0 {
		return 0
	}
	return r.rest[0]
}

func (r *jsonReader) skip(c byte) bool {
	found := r.next() == c
	if found {
		r.rest = r.rest[1:]
	}
	return found
}

// take returns the next bytes of a form, nil if there are others.
func (r *jsonReader) take(form *regexp.Regexp) []byte {
	r.next()
	token := form.Find(r.rest)
	r.rest = r.rest[len(token):]
	return token
}

func (r *jsonReader) text() (text string, ok bool) {
	token := r.take(jsonText)
	if token == nil {
		return "", false
	}
	return string(jsonEscape.ReplaceAllFunc(token[1:len(token)-1], func(escape []byte) []byte {
		if json.Unmarshal([]byte(`"`+string(escape)+`"`), &text) == nil {
			return []byte(text)
		}
		return escape[1:] // it is none of JSON's
	})), true
}

// value skips a value of at most so many levels.
func (r *jsonReader) value(depth int) bool {
	switch c := r.next(); {
	case depth < 0:
		return false
	case c == '[':
		return r.list(']', func() bool { return r.value(depth - 1) })
	case c == '{':
		return r.list('}', func() bool { return r.take(jsonText) != nil && r.skip(':') && r.value(depth-1) })
	}
	return r.take(jsonText) != nil || r.take(jsonScalar) != nil
}

func (r *jsonReader) list(end byte, item func() bool) bool {
	r.rest = r.rest[1:]
	if r.skip(end) {
		return true
	}
	for item() {
		if r.skip(end) {
			return true
		}
		if !r.skip(',') {
			return false
		}
	}
	return false
}
