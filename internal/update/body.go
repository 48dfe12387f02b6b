package update

import (
	"bytes"
	"io"
	"net/http"
	"sync"
)

// read reads a request's body ahead and returns the function that parses it. The
// handlers behind the gate get the same bytes, followed by the error of a body
// that broke off. A body longer than longest, or one that broke off, is no update.
//
// It is read ahead because placeholders can be used at any time: log_append uses
// them when the bot has read the body and answered.
func read(r *http.Request, longest int64) func() Update {
	size := int64(4 << 10) // few updates are longer
	if r.ContentLength >= 0 {
		size = min(r.ContentLength, longest)
	}
	buf := bytes.NewBuffer(make([]byte, 0, size+bytes.MinRead))
	n, err := buf.ReadFrom(io.LimitReader(r.Body, longest+1))

	ahead := io.Reader(bytes.NewReader(buf.Bytes()))
	switch {
	case err != nil:
		ahead = io.MultiReader(ahead, failed{err})
	case n > longest:
		ahead = io.MultiReader(ahead, r.Body)
	}
	r.Body = body{ahead, r.Body}
	if err != nil || n > longest {
		return func() Update { return Update{} }
	}
	return sync.OnceValue(func() Update { return Parse(buf.Bytes()) })
}

// body is a request's body that was read ahead.
type body struct {
	io.Reader
	io.Closer
}

// failed is a reader that has failed.
type failed struct{ err error }

func (f failed) Read([]byte) (int, error) { return 0, f.err }
