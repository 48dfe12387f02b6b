package boundedlog

import "time"

// Repeated remembers the last logged error, so that an error is logged only once until it
// changes or passes. The zero value holds no error.
type Repeated struct {
	detail, remedy string
	at             time.Time // when it was logged
}

// IsNew reports whether to log an error. An error that differs only in its text is logged again after a while: the text
// may contain a port or a number of seconds that always changes.
func (r *Repeated) IsNew(detail, remedy string) bool {
	if remedy == r.remedy && (detail == r.detail || time.Since(r.at).Abs() < 10*time.Minute) {
		return false
	}
	*r = Repeated{detail, remedy, time.Now()}
	return true
}
