package app

import (
	"crypto/rand"
	"crypto/subtle"
	"net/http"
	"sync"
	"time"

	"github.com/caddy-telegram/telegramwebhook/internal/status"
)

// auditMark tells the trials of an audit from a stranger's requests. The admin API alone
// gives it out. It does not last: the audited host, which gets it too, may be the wrong one.
type auditMark struct {
	mu      sync.Mutex
	value   string
	expires time.Time
}

// auditTime is more than an audit takes.
const auditTime = 5 * time.Minute

// current returns the mark for an audit that begins.
func (m *auditMark) current() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	if now.After(m.expires) {
		m.value = rand.Text()
	}
	m.expires = now.Add(auditTime)
	return m.value
}

// IsAudit reports whether a request has the mark.
func IsAudit(r *http.Request) bool {
	sent := r.Header[status.AuditHeader]
	if len(sent) != 1 {
		return false
	}
	m := process.audit
	m.mu.Lock()
	defer m.mu.Unlock()
	return time.Now().Before(m.expires) && subtle.ConstantTimeCompare([]byte(sent[0]), []byte(m.value)) == 1
}
