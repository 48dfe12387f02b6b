package telegramtest

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"time"
)

// Call is a call of a Bot API method that arrived.
type Call struct {
	Token    string // with "/test" behind it for the test environment
	Method   string // as it was written
	Params   map[string]string
	Files    map[string][]byte
	At       time.Time
	Status   int  // of the answer, 0 while there is none
	InAnswer bool // made by a webhook in its answer to an update
}

// Fault is what a call gets instead of its answer. One with nothing but a Delay
// gets its answer late.
type Fault struct {
	// Delay passes before anything else.
	Delay time.Duration

	// Carry carries the method out all the same: only the answer is lost.
	Carry bool

	// Status, Header and Body are answered. Status 0 is 200.
	Status int
	Header http.Header
	Body   []byte

	// Size fills the body up to this many bytes.
	Size int64

	// Cut breaks the connection: after Body and Size, or without any answer if
	// there is none.
	Cut bool
}

// Fail asks f before each call whether it shall go wrong; nil ends that. f is
// called from many goroutines, with the method as it was written.
func (a *API) Fail(f func(method string, params map[string]string) *Fault) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.fail = f
}

func (a *API) fault(method string, params map[string]string) *Fault {
	a.mu.Lock()
	fail := a.fail
	a.mu.Unlock()
	if fail == nil {
		return nil
	}
	return fail(method, params)
}

// Calls returns the calls of a method in order of arrival, those of every
// method if it is empty.
func (a *API) Calls(method string) []Call {
	a.mu.Lock()
	defer a.mu.Unlock()
	var calls []Call
	for _, c := range a.calls {
		if method == "" || strings.EqualFold(method, c.Method) {
			calls = append(calls, c)
		}
	}
	return calls
}

// record keeps a call and returns its number.
func (a *API) record(c Call) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	c.At = a.opt.Now()
	a.calls = append(a.calls, c)
	return len(a.calls) - 1
}

func (a *API) answered(call, status int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.calls[call].Status = status
}

// misbehave answers a call with a fault. The call is carried out by answer.
func (a *API) misbehave(w http.ResponseWriter, r *http.Request, f *Fault, call int, answer func() *reply) {
	if f.Delay > 0 {
		select {
		case <-a.opt.After(f.Delay):
		case <-r.Context().Done():
			return
		}
	}
	silent := f.Status == 0 && len(f.Body) == 0 && f.Size == 0
	if silent && !f.Cut && f.Header == nil && !f.Carry {
		answer().write(w)
		return
	}
	if f.Carry {
		answer()
	}
	if silent && f.Cut {
		panic(http.ErrAbortHandler)
	}

	status := f.Status
	if status == 0 {
		status = http.StatusOK
	}
	a.answered(call, status)
	for name, values := range f.Header {
		w.Header()[name] = values
	}
	w.WriteHeader(status)
	w.Write(f.Body)
	filler := bytes.Repeat([]byte{' '}, 32<<10)
	for left := f.Size - int64(len(f.Body)); left > 0; {
		n, err := io.Copy(w, bytes.NewReader(filler[:min(left, int64(len(filler)))]))
		if err != nil {
			return
		}
		left -= n
	}
	if f.Cut {
		http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
}
