//go:build !linux

package guard

import (
	"net"
	"net/netip"
)

// Elsewhere connections come by Accept alone, and are always answered.

type controller = any

func socketOf(net.Listener) controller { return nil }

func (*listener) next() net.Conn { return nil }

func filters(controller) bool { return false }

func filter(controller, []netip.Prefix) bool { return false }

func thrownAway(controller) uint32 { return 0 }
