package registrar

import (
	"slices"
	"sync"
)

// Leadership says which registrar of this process speaks for a bot. The zero value
// is ready for use.
type Leadership struct {
	mu      sync.Mutex
	leaders []*Registrar // the last one leads
}

// Lead makes r the one that speaks for the bot: an older configuration's registrar
// falls silent at once, even before it is stopped. It returns the one before.
func (l *Leadership) Lead(r *Registrar) (before *Registrar) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.leaders) > 0 {
		before = l.leaders[len(l.leaders)-1]
	}
	l.leaders = append(l.leaders, r)
	return before
}

// Yield takes back what Lead has made r. If it led, the one before it leads again:
// its configuration goes on when the newer one has failed to start.
func (l *Leadership) Yield(r *Registrar) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.leaders = slices.DeleteFunc(l.leaders, func(leader *Registrar) bool { return leader == r })
}

// Leads reports whether r speaks for the bot.
func (l *Leadership) Leads(r *Registrar) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.leaders) > 0 && l.leaders[len(l.leaders)-1] == r
}
