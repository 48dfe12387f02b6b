package registrar

import (
	"slices"

	"go.uber.org/zap"
)

// isSuperseded reports whether the configuration of the record has taken over from
// this one, which was registered before. One that was never registered here is new,
// and takes over itself.
func (a *attempt) isSuperseded() bool {
	wasOurs := a.ownFingerprint == a.fingerprint
	switch {
	case a.rec.Fingerprint != "":
		a.rival = a.rec
	case !wasOurs || a.status.State != Superseded: // lost: only those whose registration it was make it anew
		return false
	}
	// After a restart only the record knows.
	rival := a.rival
	if !wasOurs && !slices.Contains(rival.Nodes, participant{a.Node.Name, a.fingerprint}) {
		return false
	}
	// The nodes with the other configuration may be gone for good. Those that never check
	// give no sign.
	if within(rival.lastSign(), 2*max(rival.Interval, a.Interval)) || wasOurs && rival.Interval == 0 {
		return true
	}
	if a.status.State == Superseded {
		a.Logger.Warn("webhook taken over again: the newer configuration gives no sign any more",
			zap.String("node", rival.Process), zap.Time("last_seen", rival.lastSign()), zap.String("url", rival.URL))
	}
	return false
}
