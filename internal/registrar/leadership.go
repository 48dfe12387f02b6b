package registrar

import (
	"slices"
	"sync"
)

// Leadership remembers which registrar of this process works for a bot: that of the
// latest configuration. The zero value is ready for use.
type Leadership struct {
	mu         sync.Mutex
	registrars []*Registrar // the last one leads
}

// Lead makes r the leader: the registrar of an older configuration falls silent at
// once, even before it is stopped.
func (l *Leadership) Lead(r *Registrar) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.registrars = append(l.registrars, r)
}

// Yield takes back what Lead has done for r. If r led, the one before it leads
// again: its configuration goes on when the newer one has failed to start.
func (l *Leadership) Yield(r *Registrar) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.registrars = slices.DeleteFunc(l.registrars, func(other *Registrar) bool { return other == r })
}

// Leader returns the leader; nil if there is none.
func (l *Leadership) Leader() *Registrar {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.registrars) == 0 {
		return nil
	}
	return l.registrars[len(l.registrars)-1]
}

// Leads reports whether r is the leader.
func (l *Leadership) Leads(r *Registrar) bool { return l.Leader() == r }
