package registrar

import (
	"slices"

	"go.uber.org/zap"
)

// isSuperseded reports whether the configuration of the record has taken over from this
// one. That needs an earlier registration of this one: a new configuration takes over itself.
func (a *attempt) isSuperseded() bool {
	wasOurs := a.ownFingerprint == a.fingerprint
	switch {
	case a.rec.Fingerprint != "":
		a.rival = a.rec
	case !wasOurs || a.status.State != Superseded: // a lost record: its own nodes make it again
		return false
	}
	// After a restart only the record tells whether this configuration was registered before.
	rival := a.rival
	if !wasOurs && !slices.Contains(rival.Nodes, participant{a.Node.Name, a.fingerprint}) {
		return false
	}
	// The nodes with the other configuration may be gone for good. Without checks they
	// show no activity, so they count as active.
	if within(rival.lastActive(), 2*max(rival.Interval, a.Interval)) || wasOurs && rival.Interval == 0 {
		return true
	}
	if a.status.State == Superseded {
		a.Logger.Warn("webhook taken over from inactive nodes",
			zap.String("node", rival.Process), zap.Time("last_seen", rival.lastActive()), zap.String("url", rival.URL))
	}
	return false
}
