package telegramtest

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
)

// reply is an answer of the Bot API.
type reply struct {
	OK          bool        `json:"ok"`
	Result      any         `json:"result,omitempty"`
	ErrorCode   int         `json:"error_code,omitempty"`
	Description string      `json:"description,omitempty"`
	Parameters  *parameters `json:"parameters,omitempty"`
}

type parameters struct {
	RetryAfter int `json:"retry_after"`
}

func okReply(result any, description string) *reply {
	return &reply{OK: true, Result: result, Description: description}
}

func errorReply(code int, description string) *reply {
	return &reply{ErrorCode: code, Description: description}
}

func retryReply(seconds int) *reply {
	r := errorReply(http.StatusTooManyRequests, "Too Many Requests: retry after "+strconv.Itoa(seconds))
	r.Parameters = &parameters{seconds}
	return r
}

func conflictReply(description string) *reply {
	return errorReply(http.StatusConflict, "Conflict: "+description)
}

func (r *reply) status() int {
	if r.OK {
		return http.StatusOK
	}
	return r.ErrorCode
}

func (r *reply) write(w http.ResponseWriter) {
	var body bytes.Buffer
	enc := json.NewEncoder(&body)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(r); err != nil {
		// Only updates that a test queued can be something else than JSON.
		errorReply(http.StatusInternalServerError, "Internal Server Error: "+err.Error()).write(w)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if r.Parameters != nil {
		w.Header().Set("Retry-After", strconv.Itoa(r.Parameters.RetryAfter))
	}
	w.WriteHeader(r.status())
	w.Write(bytes.TrimSuffix(body.Bytes(), []byte("\n")))
}
