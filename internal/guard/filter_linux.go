package guard

import (
	"encoding/binary"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// filters reports whether the kernel takes a filter of that socket. Of Multipath TCP,
// by which Go listens unless it is told otherwise, it takes none.
func filters(socket controller) bool {
	return socket != nil && attach(socket, []unix.SockFilter{keep(all)}) && filter(socket, nil)
}

// filter has the kernel throw away what begins a connection from one of the
// addresses, and reports whether it does. Without any it throws nothing away.
func filter(socket controller, muted []netip.Prefix) bool {
	if len(muted) > 0 {
		return attach(socket, program(muted))
	}
	return set(socket, func(fd int) error { return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DETACH_FILTER, 0) })
}

func attach(socket controller, p []unix.SockFilter) bool {
	return set(socket, func(fd int) error {
		return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(p)), Filter: &p[0]})
	})
}

func set(socket controller, option func(fd int) error) bool {
	var err error
	control := socket.Control(func(fd uintptr) { err = option(int(fd)) })
	return control == nil && err == nil
}

// Where a filter of a TCP socket finds what it looks at.
const (
	network  = 1<<32 - 0x100000 // the kernel's SKF_NET_OFF: where the IP header begins
	version  = network
	source4  = network + 12
	source6  = network + 8
	tcpFlags = 13 // the filter's own begin is that of the TCP header
)

// What a filter returns: how much of a packet is kept.
const (
	none = 0
	all  = 1<<32 - 1
)

// program is the filter, in the kernel's classic BPF. What does not begin a
// connection passes after three steps: connections inherit the filter.
func program(muted []netip.Prefix) (p []unix.SockFilter) {
	var four, six []unix.SockFilter
	for _, s := range muted {
		if addr := s.Addr(); addr.Is4() {
			b := addr.As4()
			four = append(four, unlessEqual(binary.BigEndian.Uint32(b[:]), 1), keep(none))
		} else {
			b := addr.As16()
			six = append(six,
				load(unix.BPF_W, source6), unlessEqual(binary.BigEndian.Uint32(b[0:]), 3),
				load(unix.BPF_W, source6+4), unlessEqual(binary.BigEndian.Uint32(b[4:]), 1), keep(none))
		}
	}
	four, six = append(four, keep(all)), append(six, keep(all))
	p = append(p,
		load(unix.BPF_B, tcpFlags), compute(unix.BPF_AND, syn|ack), ifEqual(syn, 1), keep(all),
		load(unix.BPF_B, version), compute(unix.BPF_RSH, 4), ifEqual(6, 1+1),
		load(unix.BPF_W, source4), jump(len(six)))
	return append(append(p, six...), four...)
}

const (
	syn = 0x02
	ack = 0x10
)

func load(size uint16, at uint32) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_ABS | size, K: at}
}

func compute(operation uint16, with uint32) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_ALU | unix.BPF_K | operation, K: with}
}

// ifEqual skips so many steps if the value at hand is that one, unlessEqual if not.
func ifEqual(value uint32, skip uint8) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: value, Jt: skip}
}

func unlessEqual(value uint32, skip uint8) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: value, Jf: skip}
}

func jump(skip int) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JA, K: uint32(skip)}
}

func keep(bytes uint32) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: bytes}
}

// thrownAway is how many packets the kernel has thrown away at a listening socket:
// by a filter, or since there was no room. It is 0 where the kernel does not tell.
func thrownAway(socket controller) uint32 {
	var vars [unix.SK_MEMINFO_VARS]uint32
	size := uint32(unsafe.Sizeof(vars))
	_ = socket.Control(func(fd uintptr) {
		_, _, _ = unix.Syscall6(unix.SYS_GETSOCKOPT, fd, unix.SOL_SOCKET, unix.SO_MEMINFO,
			uintptr(unsafe.Pointer(&vars)), uintptr(unsafe.Pointer(&size)), 0)
	})
	return vars[unix.SK_MEMINFO_DROPS]
}
