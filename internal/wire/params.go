package wire

import (
	"bytes"
	"encoding/json"
	"net/url"
	"strings"
)

// Params are the parameters of a call. As with Telegram, of a repeated one the
// first counts.
type Params map[string]string

// JSONParams returns the fields of an object. What stands before an error counts
// too.
func JSONParams(body []byte) Params {
	params := make(Params)
	dec := json.NewDecoder(bytes.NewReader(body))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return params
	}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			break
		}
		var raw json.RawMessage
		if dec.Decode(&raw) != nil {
			break
		}
		value := string(raw)
		if raw[0] == '"' {
			json.Unmarshal(raw, &value)
		}
		params.Add(key.(string), value)
	}
	return params
}

// FormParams returns the fields of a form or a query.
func FormParams(body string) Params {
	params := make(Params)
	for pair := range strings.SplitSeq(body, "&") {
		if pair == "" {
			continue
		}
		key, value, _ := strings.Cut(pair, "=")
		params.Add(unescape(key), unescape(value))
	}
	return params
}

func unescape(s string) string {
	if u, err := url.QueryUnescape(s); err == nil {
		return u
	}
	return s
}

// Add sets a parameter unless it is there already.
func (p Params) Add(key, value string) {
	if _, ok := p[key]; !ok {
		p[key] = value
	}
}
