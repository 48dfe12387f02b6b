package telegramtest

import (
	"bytes"
	"encoding/json"
	"net/url"
	"strings"

	"github.com/caddy-telegram/telegramwebhook/internal/telegram"
)

// MethodCall is a Bot API call that a webhook makes in its answer.
type MethodCall struct {
	Method string
	Params Params // without the method
}

// methodCall returns the call that Telegram carries out for an answer, if any.
func methodCall(a *telegram.Answer) *MethodCall {
	if !telegram.Runs(a.Method) {
		return nil
	}
	q := &query{params: make(Params), files: make(map[string][]byte)}
	_ = q.readBody(a.Header.Get("Content-Type"), bytes.NewReader(a.Body))
	delete(q.params, "method")
	return &MethodCall{a.Method, q.params}
}

// Params are the parameters of a call: text as it is, anything else as JSON. Of a
// repeated parameter the first counts.
type Params map[string]string

// jsonParams returns the fields of an object, up to an error in it.
func jsonParams(body []byte) Params {
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
			_ = json.Unmarshal(raw, &value)
		}
		params.Add(key.(string), value)
	}
	return params
}

// formParams returns the fields of a form or a query.
func formParams(body string) Params {
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
