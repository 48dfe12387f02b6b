package guard

import (
	"net"
	"net/netip"
	"os"
	"reflect"
	"syscall"
)

// controller is the socket of a listener.
type controller = syscall.RawConn

// socketOf returns the socket behind Caddy's own listener; nil for any other,
// which may have more to say about its connections. Caddy has it in a struct of
// its own; where that is not as known here, there is none.
func socketOf(l net.Listener) controller {
	if reflect.TypeOf(l).String() == "caddy.deleteListener" {
		if inner := reflect.ValueOf(l).FieldByName("Listener"); inner.IsValid() {
			l, _ = inner.Interface().(net.Listener)
		}
	}
	if tcp, ok := l.(*net.TCPListener); ok {
		if socket, err := tcp.SyscallConn(); err == nil {
			return socket
		}
	}
	return nil
}

// most bounds how many connections next looks at, so that a flood does not keep
// the socket from being closed.
const most = 256

// next drops the connections that wait by what the kernel says of them. A
// connection of net would cost eight system calls more, to be waited for, read
// and written, and closed again unused. It returns the first that may come in; nil
// if none waits any more.
func (l *listener) next() (conn net.Conn) {
	if l.socket == nil {
		return nil
	}
	_ = l.socket.Control(func(socket uintptr) {
		for range most {
			fd, from, err := syscall.Accept4(int(socket), syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC)
			if err != nil {
				return // none waits, or Accept will meet it too
			}
			addr := addrIn(from)
			reason, drop := l.guard.judge(addr)
			if !drop {
				conn = connOf(fd)
				return
			}
			_ = syscall.SetsockoptLinger(fd, syscall.SOL_SOCKET, syscall.SO_LINGER, &syscall.Linger{Onoff: 1})
			_ = syscall.Close(fd)
			l.dropped(reason, addr)
		}
	})
	return conn
}

func addrIn(from syscall.Sockaddr) netip.Addr {
	switch from := from.(type) {
	case *syscall.SockaddrInet4:
		return netip.AddrFrom4(from.Addr)
	case *syscall.SockaddrInet6:
		return netip.AddrFrom16(from.Addr).Unmap()
	}
	return netip.Addr{}
}

// connOf makes a connection of net of one; nil if it has ended already.
func connOf(fd int) net.Conn {
	file := os.NewFile(uintptr(fd), "connection")
	defer file.Close()
	conn, err := net.FileConn(file)
	if err != nil {
		return nil
	}
	return conn
}
