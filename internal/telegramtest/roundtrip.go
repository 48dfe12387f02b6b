package telegramtest

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"time"
)

// RoundTrip satisfies http.RoundTripper: it answers a client of this process without a
// network, for which a fake clock would not stop. A Fault that cuts the connection
// before an answer is an error.
func (a *API) RoundTrip(r *http.Request) (*http.Response, error) {
	served := r.Clone(r.Context())
	if served.Body == nil {
		served.Body = http.NoBody
	}
	recorder := httptest.NewRecorder()
	cut := a.serve(recorder, served)
	switch {
	case r.Context().Err() != nil:
		return nil, r.Context().Err()
	case cut && recorder.Body.Len() == 0:
		return nil, io.EOF
	}
	response := recorder.Result()
	response.Request = r
	if cut {
		response.Body = io.NopCloser(io.MultiReader(response.Body, broken{}))
	}
	return response, nil
}

// serve answers a request. It reports whether the connection is cut.
func (a *API) serve(w http.ResponseWriter, r *http.Request) (cut bool) {
	defer func() {
		if value := recover(); value != nil {
			if err, ok := value.(error); !ok || !errors.Is(err, http.ErrAbortHandler) {
				panic(value)
			}
			cut = true
		}
	}()
	a.ServeHTTP(w, r)
	return false
}

// broken is a body that breaks off.
type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// TakeOver has somebody else call setWebhook for a bot, or deleteWebhook without a
// url. The call is not recorded, meets no Fault, and others may follow at once. It
// reports whether it was carried out.
func (a *API) TakeOver(token string, params map[string]string, certificate []byte) bool {
	allow := func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.bot(token).nextSet = time.Time{}
	}
	allow()
	defer allow()
	q := &query{ctx: context.Background(), token: token, params: params, files: make(map[string][]byte)}
	if certificate != nil {
		q.files["certificate"] = certificate
	}
	return a.setWebhook(q, params["url"]).OK
}

// SetLastError has getWebhookInfo tell of an error that the sender has met, until the
// webhook is set again.
func (s *Sender) SetLastError(message string, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats.LastError, s.stats.LastErrorDate = message, at
}
