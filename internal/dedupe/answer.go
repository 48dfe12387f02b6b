package dedupe

import (
	"net/http"
	"slices"
	"strconv"
)

// maxBody is the longest body of an answer that is given again. A message of the
// longest text, every character of it escaped, and with a keyboard, has less.
const maxBody = 64 << 10

// answer is what came of a delivery: as much of the bot's answer as Telegram
// reads, or the error for which there is none.
type answer struct {
	status          int // 0 if nobody has answered
	contentType     string
	contentEncoding string
	retryAfter      string
	body            []byte // empty if it was too long
	err             error
}

// bareAnswer stands for all that are remembered without a body.
var bareAnswer = &answer{status: http.StatusOK}

// taken reports whether Telegram takes the update for delivered.
func (a *answer) taken() bool { return 200 <= a.status && a.status <= 299 }

// remembered is the answer as it is kept: a 200 with the body, if there is one.
func (a *answer) remembered() *answer {
	if len(a.body) == 0 {
		return bareAnswer
	}
	return &answer{
		status:          http.StatusOK,
		contentType:     a.contentType,
		contentEncoding: a.contentEncoding,
		body:            slices.Clone(a.body),
	}
}

// give answers a request with it. Whether that arrives does not matter: it can be
// given again.
func (a *answer) give(w http.ResponseWriter) error {
	if a.status == 0 {
		return a.err
	}
	header := w.Header()
	for name, value := range map[string]string{
		"Content-Type": a.contentType, "Content-Encoding": a.contentEncoding, "Retry-After": a.retryAfter,
	} {
		if value != "" {
			header.Set(name, value)
		}
	}
	if len(a.body) > 0 {
		header.Set("Content-Length", strconv.Itoa(len(a.body)))
	}
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body)
	return nil
}

// recorder takes the bot's answer down while it comes, and hands it on when it is
// whole: a client that is slow or gone does not keep others from it. An answer
// longer than maxBody goes straight through from there on.
type recorder struct {
	w       http.ResponseWriter
	answer  answer
	through bool // what has come was handed on
}

// Header is the real one's, so that what the site has set is in it.
func (rec *recorder) Header() http.Header { return rec.w.Header() }

// WriteHeader ignores 1xx, which Telegram must not get.
func (rec *recorder) WriteHeader(status int) {
	if rec.answer.status != 0 || 100 <= status && status <= 199 {
		return
	}
	header := rec.w.Header()
	rec.answer = answer{
		status:          status,
		contentType:     header.Get("Content-Type"),
		contentEncoding: header.Get("Content-Encoding"),
		retryAfter:      header.Get("Retry-After"),
	}
}

// Write never fails: the answer is the bot's, whoever gets it.
func (rec *recorder) Write(b []byte) (int, error) {
	rec.WriteHeader(http.StatusOK)
	if !rec.through && len(rec.answer.body)+len(b) > maxBody {
		rec.handOn()
		rec.answer.body = nil
	}
	if rec.through {
		_, _ = rec.w.Write(b)
	} else {
		rec.answer.body = append(rec.answer.body, b...)
	}
	return len(b), nil
}

// FlushError does nothing until the answer goes straight through.
func (rec *recorder) FlushError() error {
	if !rec.through {
		return nil
	}
	return http.NewResponseController(rec.w).Flush()
}

// handOn gives the client what has come, if it is not there yet.
func (rec *recorder) handOn() {
	if rec.through || rec.answer.status == 0 {
		return
	}
	rec.through = true
	rec.w.WriteHeader(rec.answer.status)
	_, _ = rec.w.Write(rec.answer.body)
}

// Interface guard
var _ http.ResponseWriter = (*recorder)(nil)
