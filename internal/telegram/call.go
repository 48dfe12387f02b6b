package telegram

import (
	"bytes"
	"encoding/json"
	"io"
	"mime"
	"mime/multipart"
	"net/url"
	"strings"
)

// The types, beside multipart, of an answer in which Telegram looks for a Bot API call.
const (
	jsonType = "application/json"
	formType = "application/x-www-form-urlencoded"
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
	case strings.Contains(t, "multipart/form-data"):
		a.Method, err = methodInMultipart(a.Body, a.last("Content-Type"))
	}
	if len(a.Body) == maxParameters {
		return nil // the end of the body is missing here, but not for Telegram
	}
	return err
}

func methodInJSON(body []byte) (method string) {
	dec := json.NewDecoder(bytes.NewReader(body))
	if start, _ := dec.Token(); start != json.Delim('{') {
		return ""
	}
	for dec.More() {
		key, _ := dec.Token()
		var value json.RawMessage
		if dec.Decode(&value) != nil {
			return ""
		}
		if key == "method" {
			_ = json.Unmarshal(value, &method)
			return method
		}
	}
	return ""
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
	parts := multipart.NewReader(bytes.NewReader(body), attributes["boundary"])
	for {
		part, err := parts.NextRawPart()
		if err == io.EOF {
			return method, nil
		} else if err != nil {
			return method, err
		}
		value, err := io.ReadAll(part)
		if err != nil {
			return method, err
		}
		if method == "" && part.FormName() == "method" {
			method = string(value)
		}
	}
}
