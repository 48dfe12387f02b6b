package listener

import (
	"net/http"
	"strings"
)

// isForgery reports whether a refused request counts toward a penalty. A web page
// can make the browsers of its visitors send a GET, a form or text/plain to any
// address. It cannot make them send the secret header or JSON without asking the
// address first, so these two show that the sender itself forges.
func isForgery(r *http.Request, hadSecret bool) bool {
	return hadSecret || r.Method == http.MethodPost && hasJSON(r.Header)
}

func hasJSON(header http.Header) bool {
	mediaType, _, _ := strings.Cut(header.Get("Content-Type"), ";")
	return strings.EqualFold(strings.TrimSpace(mediaType), "application/json")
}
