package listener

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestIsForgery(t *testing.T) {
	for name, tc := range map[string]struct {
		method, contentType string
		hadSecret, want     bool
	}{
		"address bar, link, img":          {"GET", "", false, false},
		"HEAD":                            {"HEAD", "", false, false},
		"preflight":                       {"OPTIONS", "", false, false},
		"form":                            {"POST", "application/x-www-form-urlencoded", false, false},
		"form with a file":                {"POST", "multipart/form-data; boundary=x", false, false},
		"form of text":                    {"POST", "text/plain", false, false},
		"text that looks like JSON":       {"POST", "text/plain; application/json", false, false},
		"beacon without a type":           {"POST", "", false, false},
		"JSON":                            {"POST", "application/json", false, true},
		"JSON with a charset":             {"POST", "Application/JSON; charset=utf-8", false, true},
		"GET of JSON":                     {"GET", "application/json", false, false},
		"JSON with the secret header":     {"POST", "application/json", true, true},
		"GET with the secret header":      {"GET", "", true, true},
		"a form with the secret header":   {"POST", "text/plain", true, true},
		"an unknown method, no header":    {"BREW", "application/json", false, false},
		"an unknown method, secret given": {"BREW", "", true, true},
	} {
		r := httptest.NewRequest(tc.method, "/", nil)
		if tc.contentType != "" {
			r.Header.Set("Content-Type", tc.contentType)
		}
		if got := isForgery(r, tc.hadSecret); got != tc.want {
			t.Errorf("%s: got %v", name, got)
		}
	}
	if isForgery(&http.Request{Method: "POST"}, false) {
		t.Error("a POST without header fields counts")
	}
}
