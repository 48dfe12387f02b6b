package deliver

import (
	"net/http"
	"slices"
	"strconv"
)

// maxBody is the longest body of an answer that is given again. A message has at
// most 4,096 characters, which are 48 KiB if each is escaped.
const maxBody = 64 << 10

// reply is what came of a delivery: as much of the bot's answer as Telegram
// reads, or the error for which there is none.
type reply struct {
	status          int // 0 if nobody has answered
	contentType     string
	contentEncoding string
	retryAfter      string
	body            []byte // empty if it was too long
	err             error
}

// bareReply stands for all that are remembered without a body.
var bareReply = &reply{status: http.StatusOK}

// brokenReply stands for all that never came.
var brokenReply = &reply{err: errBroken}

// taken reports whether Telegram takes the update for delivered.
func (r *reply) taken() bool { return 200 <= r.status && r.status <= 299 }

// remembered is the answer as it is kept: a 200 with the body, if there is one.
func (r *reply) remembered() *reply {
	if len(r.body) == 0 {
		return bareReply
	}
	return &reply{
		status:          http.StatusOK,
		contentType:     r.contentType,
		contentEncoding: r.contentEncoding,
		body:            slices.Clone(r.body),
	}
}

// give answers a request with it. Whether that arrives does not matter: it can be
// given again.
func (r *reply) give(w http.ResponseWriter) error {
	if r.status == 0 {
		return r.err
	}
	header := w.Header()
	set(header, "Content-Type", r.contentType)
	set(header, "Content-Encoding", r.contentEncoding)
	set(header, "Retry-After", r.retryAfter)
	if len(r.body) > 0 {
		header.Set("Content-Length", strconv.Itoa(len(r.body)))
	}
	w.WriteHeader(r.status)
	_, _ = w.Write(r.body)
	return nil
}

func set(header http.Header, name, value string) {
	if value != "" {
		header.Set(name, value)
	}
}

// recorder takes the bot's answer down while it comes, and hands it on when it is
// whole: a client that is slow or gone does not keep others from it. An answer
// longer than maxBody goes straight through from there on.
type recorder struct {
	w       http.ResponseWriter
	reply   reply
	through bool // what has come was handed on
}

// Header is the real one's, so that what the site has set is in it.
func (rec *recorder) Header() http.Header { return rec.w.Header() }

// WriteHeader ignores 1xx, which Telegram must not get.
func (rec *recorder) WriteHeader(status int) {
	if rec.reply.status != 0 || 100 <= status && status <= 199 {
		return
	}
	header := rec.w.Header()
	rec.reply = reply{
		status:          status,
		contentType:     header.Get("Content-Type"),
		contentEncoding: header.Get("Content-Encoding"),
		retryAfter:      header.Get("Retry-After"),
	}
}

// Write never fails: the answer is the bot's, whoever gets it.
func (rec *recorder) Write(b []byte) (int, error) {
	rec.WriteHeader(http.StatusOK)
	if !rec.through && len(rec.reply.body)+len(b) > maxBody {
		rec.handOn()
		rec.reply.body = nil
	}
	if rec.through {
		_, _ = rec.w.Write(b)
	} else {
		rec.reply.body = append(rec.reply.body, b...)
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
	if rec.through || rec.reply.status == 0 {
		return
	}
	rec.through = true
	rec.w.WriteHeader(rec.reply.status)
	_, _ = rec.w.Write(rec.reply.body)
}

// Interface guard
var _ http.ResponseWriter = (*recorder)(nil)
