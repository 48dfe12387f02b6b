package deliver

import (
	"net/http"
	"time"
)

// Refuse answers a request with a bare status that reveals nothing about the server.
func (rules Rules) Refuse(w http.ResponseWriter, r *http.Request, status int) {
	header := w.Header()
	delete(header, "Server")
	delete(header, "Alt-Svc")
	if rules.HSTS != "" {
		header.Set("Strict-Transport-Security", rules.HSTS)
	}
	switch status {
	case http.StatusServiceUnavailable:
		rules.setRetryAfter(header)
	case http.StatusMethodNotAllowed:
		header.Set("Allow", http.MethodPost)
	}
	if r.ProtoMajor == 1 && r.ContentLength != 0 {
		// net/http reads the rest of the body before it sends the answer, and a stranger
		// may withhold it. Without the deadline, the answer waits longer.
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(time.Second))
	}
	w.WriteHeader(status)
}
