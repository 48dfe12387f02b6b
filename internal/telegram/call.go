package telegram

import (
	"bytes"
	"encoding/json"
	"mime"
	"mime/multipart"
	"net/url"
	"strings"

	"github.com/tidwall/gjson"
)

// The types of an answer in which Telegram looks for a Bot API call.
const (
	jsonType      = "application/json"
	formType      = "application/x-www-form-urlencoded"
	multipartType = "multipart/form-data"
)

// Runs reports whether Telegram carries out a method that an answer calls. Some methods
// must be called in a request of their own.
func Runs(method string) bool {
	method = strings.ToLower(method)
	switch method {
	case "", "setwebhook", "deletewebhook", "close", "logout":
		return false
	}
	return !strings.HasPrefix(method, "get")
}

// findMethod sets the method that a 2xx calls. It fails only for malformed multipart. Of
// JSON, everything before an error counts.
func (a *Answer) findMethod() (err error) {
	switch t := strings.ToLower(a.last("Content-Type")); {
	case !a.Delivered():
	case strings.Contains(t, formType):
		values, _ := url.ParseQuery(string(a.Body))
		a.Method = values.Get("method")
	case strings.Contains(t, jsonType):
		a.Method = methodInJSON(a.Body)
	case strings.Contains(t, multipartType):
		a.Method, err = methodInMultipart(a.Body, a.last("Content-Type"))
	}
	return err
}

// methodInJSON takes the first member of that name, whatever comes behind it.
func methodInJSON(body []byte) string {
	root := gjson.ParseBytes(body)
	if !root.IsObject() {
		return ""
	}
	return root.Get("method").Str
}

// overlookedMethod returns a method that Telegram does not find because of the answer's
// type, or because it is in an array or a text.
func overlookedMethod(body []byte) string {
	var text string
	if json.Unmarshal(body, &text) == nil {
		body = []byte(text)
	}
	return methodInJSON(bytes.TrimLeft(body, "[ \t\r\n"))
}

func methodInMultipart(body []byte, contentType string) (method string, err error) {
	_, attributes, err := mime.ParseMediaType(contentType)
	if err != nil {
		return "", err
	}
	form, err := multipart.NewReader(bytes.NewReader(body), attributes["boundary"]).ReadForm(maxParameters + maxFiles)
	if err != nil {
		return "", err
	}
	return url.Values(form.Value).Get("method"), nil
}
