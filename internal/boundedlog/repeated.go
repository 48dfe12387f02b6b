package boundedlog

import "time"

// Repeated remembers the error that was logged last, so that one is logged once until it
// changes or passes. The zero value is no error.
type Repeated struct {
	detail, remedy string
	at             time.Time // when it was logged
}

// IsNew reports whether an error is to be logged. One that differs in its text alone is
// logged again after a while: there may be a port or a number of seconds in it that is
// never the same.
func (r *Repeated) IsNew(detail, remedy string) bool {
	if remedy == r.remedy && (detail == r.detail || time.Since(r.at).Abs() < 10*time.Minute) {
		return false
	}
	*r = Repeated{detail, remedy, time.Now()}
	return true
}
