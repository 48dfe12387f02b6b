package listener

import (
	"sync"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// All state of the process that this package keeps.
var (
	// penalties outlive a reload: otherwise a reload would let everybody in again.
	penalties = newPenaltyTable()

	// wrappers holds the wrapper of each provisioned server, as
	// *caddyhttp.Server to *Wrapper. The handlers of a server report to it.
	wrappers sync.Map
)

// For returns the wrapper of a server, or nil if the server has none. The
// wrappers of a server are provisioned before its handlers.
func For(server *caddyhttp.Server) *Wrapper {
	w, _ := wrappers.Load(server)
	wrapper, _ := w.(*Wrapper)
	return wrapper
}
