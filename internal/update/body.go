package update

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"sync"
)

// read reads the body of a request ahead and returns the function that parses it, or nil
// if the body is longer than longest. The next handlers get the same bytes. A body that
// broke off ends with the same error for them, and counts as no update.
//
// The body is read ahead because placeholders can be used at any time: log_append uses
// them after the bot has read the body and answered.
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

// buffers reuses buffers, so that not every body has to grow its own.
var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// failed is a reader that always returns err.
type failed struct{ err error }

func (f failed) Read([]byte) (int, error) { return 0, f.err }

// IsJSON reports whether there is exactly one Content-Type and it is application/json,
// with any parameters.
func IsJSON(contentType []string) bool {
	if len(contentType) != 1 {
		return false
	}
	mediaType, _, _ := strings.Cut(contentType[0], ";")
	return strings.EqualFold(strings.TrimSpace(mediaType), "application/json")
}
