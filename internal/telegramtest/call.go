package telegramtest

import (
	"bytes"
	"encoding/json"
	"net/url"
	"strings"
)

// MethodCall is a Bot API call that a webhook made in its answer.
type MethodCall struct {
	Method string

	// Params are the other fields: strings as they are, anything else as its
	// JSON text.
	Params map[string]string
}

// parseCall returns the call in an answer's body, or nil if there is none that
// Telegram carries out in this place.
func parseCall(body []byte, form bool) *MethodCall {
	var params map[string]string
	if form {
		params = formParams(string(body))
	} else {
		params = jsonParams(body)
	}
	method := params["method"]
	switch lower := strings.ToLower(method); {
	case lower == "", lower == "setwebhook", lower == "deletewebhook", lower == "close", lower == "logout",
		strings.HasPrefix(lower, "get"):
		return nil
	}
	delete(params, "method")
	return &MethodCall{Method: method, Params: params}
}

// jsonParams returns the fields of an object. As with Telegram, of a repeated
// field the first counts, and what stands before an error counts too.
func jsonParams(body []byte) map[string]string {
	params := make(map[string]string)
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
		addParam(params, key.(string), value)
	}
	return params
}

// formParams returns the fields of a form or a query, of a repeated one the
// first.
func formParams(body string) map[string]string {
	params := make(map[string]string)
	for pair := range strings.SplitSeq(body, "&") {
		if pair == "" {
			continue
		}
		key, value, _ := strings.Cut(pair, "=")
		addParam(params, unescape(key), unescape(value))
	}
	return params
}

func unescape(s string) string {
	if u, err := url.QueryUnescape(s); err == nil {
		return u
	}
	return s
}

func addParam(params map[string]string, key, value string) {
	if _, ok := params[key]; !ok {
		params[key] = value
	}
}
