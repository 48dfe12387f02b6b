package telegramtest

import (
	"bufio"
	"context"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strconv"
	"strings"
)

// maxQuery is what a call may send, files included.
const maxQuery = 64 << 20

// query is a call of a Bot API method.
type query struct {
	ctx    context.Context
	client string // address of the caller, "" for a local one
	token  string // with "/test" behind it for the test environment
	method string // in lower case
	params Params
	files  map[string][]byte
}

// readQuery takes the parameters from the URL and from the body, in any of the
// forms that Telegram takes. The first value counts.
func readQuery(w http.ResponseWriter, r *http.Request) (*query, error) {
	q := &query{
		ctx: r.Context(), client: clientAddress(r),
		params: formParams(r.URL.RawQuery), files: make(map[string][]byte),
	}
	body := bufio.NewReader(http.MaxBytesReader(w, r.Body, maxQuery))
	if _, err := body.Peek(1); err == io.EOF {
		return q, nil // whatever it calls itself: there are clients that send a form without an end
	}
	return q, q.readBody(r.Header.Get("Content-Type"), body)
}

func (q *query) readBody(contentType string, body io.Reader) error {
	contentType, attributes, _ := mime.ParseMediaType(contentType)
	if contentType == "multipart/form-data" {
		return q.readParts(multipart.NewReader(body, attributes["boundary"]))
	}
	content, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	var params Params
	switch contentType {
	case "application/json":
		params = jsonParams(content)
	case "application/x-www-form-urlencoded":
		params = formParams(string(content))
	}
	for key, value := range params {
		q.params.Add(key, value)
	}
	return nil
}

func (q *query) readParts(r *multipart.Reader) error {
	for {
		part, err := r.NextPart()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		content, err := io.ReadAll(part)
		if err != nil {
			return err
		}
		if part.FileName() != "" {
			q.files[part.FormName()] = content
		} else {
			q.params.Add(part.FormName(), string(content))
		}
	}
}

// file returns an uploaded file: a part of that name, or one that the parameter
// names with attach://.
func (q *query) file(name string) ([]byte, bool) {
	if f, ok := q.files[name]; ok {
		return f, true
	}
	attached, ok := strings.CutPrefix(q.params[name], "attach://")
	if !ok {
		return nil, false
	}
	f, ok := q.files[attached]
	return f, ok
}

// int returns a number within bounds. As with Telegram, text that is none
// counts as 0.
func (q *query) int(name string, preset, lowest, highest int) int {
	n := preset
	if value := q.params[name]; value != "" {
		n, _ = strconv.Atoi(value)
	}
	return max(lowest, min(n, highest))
}

func (q *query) bool(name string) bool {
	switch strings.ToLower(q.params[name]) {
	case "true", "yes", "1":
		return true
	}
	return false
}
