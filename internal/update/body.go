package update

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"sync"
)

// read reads a request's body ahead and returns the function that parses it. The
// handlers behind the gate get the same bytes, followed by the error of a body
// that broke off. A body longer than longest, or one that broke off, is no update.
//
// It is read ahead because placeholders can be used at any time: log_append uses
// them when the bot has read the body and answered.
func read(r *http.Request, longest int64) func() Update {
	buf := buffers.Get().(*bytes.Buffer)
	defer buffers.Put(buf)
	buf.Reset()
	n, err := buf.ReadFrom(io.LimitReader(r.Body, longest+1))
	content := buf.String()

	ahead := io.Reader(strings.NewReader(content))
	switch {
	case err != nil:
		ahead = io.MultiReader(ahead, failed{err})
	case n > longest:
		ahead = io.MultiReader(ahead, r.Body)
	}
	r.Body = io.NopCloser(ahead) // net/http closes the original
	if err != nil || n > longest {
		return func() Update { return Update{} }
	}
	return sync.OnceValue(func() Update { return Parse(content) })
}

// buffers spares each body the growth of a buffer of its own.
var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// failed is a reader that has failed.
type failed struct{ err error }

func (f failed) Read([]byte) (int, error) { return 0, f.err }
