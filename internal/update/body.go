package update

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"sync"
)

// read reads a request's body ahead and returns the function that parses it, or nil
// for a body longer than longest. The handlers behind the gate get the same bytes,
// followed by the error of a body that broke off, which is no update.
//
// It is read ahead because placeholders can be used at any time: log_append uses
// them when the bot has read the body and answered.
func read(r *http.Request, longest int64) func() Update {
	buf := buffers.Get().(*bytes.Buffer)
	defer buffers.Put(buf)
	buf.Reset()
	n, err := buf.ReadFrom(io.LimitReader(r.Body, longest+1))
	if n > longest {
		return nil
	}
	content := buf.String()
	if err != nil {
		r.Body = io.NopCloser(io.MultiReader(strings.NewReader(content), failed{err}))
		return func() Update { return Update{} }
	}
	r.Body = io.NopCloser(strings.NewReader(content)) // net/http closes the original
	return sync.OnceValue(func() Update { return Parse(content) })
}

// buffers spares each body the growth of a buffer of its own.
var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// failed is a reader that has failed.
type failed struct{ err error }

func (f failed) Read([]byte) (int, error) { return 0, f.err }

// IsJSON reports whether the one Content-Type is application/json, with whatever
// parameters.
func IsJSON(contentType []string) bool {
	if len(contentType) != 1 {
		return false
	}
	mediaType, _, _ := strings.Cut(contentType[0], ";")
	return strings.EqualFold(strings.TrimSpace(mediaType), "application/json")
}
