package telegramtest

import (
	"bytes"
	"net/url"
	"strings"

	"github.com/caddy-telegram/telegramwebhook/internal/telegram"
)

// MethodCall is a Bot API call that a webhook makes in its answer.
type MethodCall struct {
	Method string
	Params Params // without the method
	Files  map[string][]byte
}

// methodCall returns the call that Telegram carries out for an answer, if any.
func methodCall(a *telegram.Answer) *MethodCall {
	q := &query{params: make(Params), files: make(map[string][]byte)}
	types := a.Header.Values("Content-Type")
	if len(types) == 0 || q.readBody(types[len(types)-1], bytes.NewReader(a.Body)) != nil || !telegram.Runs(q.params["method"]) {
		return nil
	}
	call := &MethodCall{q.params["method"], q.params, q.files}
	delete(q.params, "method")
	return call
}

// Params are the parameters of a call: text as it is, anything else as JSON. Of a
// repeated parameter the first counts.
type Params map[string]string

// jsonParams returns the fields of an object, up to an error in it.
func jsonParams(body []byte) Params {
	params := make(Params)
	for key, value := range jsonFields(body) {
		params.Add(key, value)
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
