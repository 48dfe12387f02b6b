//go:build !linux

package guard

import "net"

type controller = any

func socketOf(net.Listener) controller { return nil }

func (*listener) next() net.Conn { return nil }
