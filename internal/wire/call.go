package wire

import "strings"

// MethodCall is a Bot API call that a webhook makes in its answer.
type MethodCall struct {
	Method string

	// Params are the other fields: strings as they are, anything else as its
	// JSON text.
	Params map[string]string
}

// parseCall returns the call in an answer's body, or nil if there is none.
func parseCall(body []byte, form bool) *MethodCall {
	var params Params
	if form {
		params = FormParams(string(body))
	} else {
		params = JSONParams(body)
	}
	method := params["method"]
	if method == "" {
		return nil
	}
	delete(params, "method")
	return &MethodCall{Method: method, Params: params}
}

// Runs reports whether Telegram carries the call out. There are methods that it
// takes in a request of their own only.
func (c *MethodCall) Runs() bool {
	method := strings.ToLower(c.Method)
	switch method {
	case "setwebhook", "deletewebhook", "close", "logout":
		return false
	}
	return !strings.HasPrefix(method, "get")
}
