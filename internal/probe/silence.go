package probe

import (
	"errors"
	"fmt"
	"strings"
	"syscall"

	"github.com/caddy-telegram/telegramwebhook/internal/wire"
)

// unopened is why there is no connection to make a request on.
type unopened struct{ error }

func (u unopened) Unwrap() error { return u.error }

// dropped reports whether a connection was ended from the other side, as the
// listener wrapper and many firewalls do with addresses that they bar.
func dropped(err error) bool {
	return errors.Is(err, wire.ErrClosed) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// why says why there is no connection, or no answer.
func (a *audit) why(err error) string {
	if errors.Is(err, wire.ErrClosed) {
		return "the connection was closed"
	}
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		return errno.Error()
	}
	if e, ok := errors.AsType[*wire.Error](err); ok && e.Cause != nil {
		err = e.Cause
	}
	return a.show(err.Error())
}

// whatToDo is what to do when a request is not answered: the remedy, unless the
// connection is to blame. The certificate and the versions of TLS have been
// looked at by then, and the address has answered.
func (a *audit) whatToDo(err error, remedy string) string {
	_, never := errors.AsType[unopened](err)
	switch {
	case !never && (a.target.TLS || !dropped(err)):
		return remedy
	case strings.HasPrefix(err.Error(), "SSL error") && !dropped(err):
		return "see certificate and tls"
	}
	return a.barred()
}

// barred is what to do when connections are dropped: an audit is refused so often
// that penalty may bar its address.
func (a *audit) barred() string {
	by := "perhaps `penalty` or a firewall bars this address"
	if in := a.opt.Inside; in != nil && in.Listener != nil && in.Listener.Penalized > 0 {
		by = fmt.Sprintf("`penalty` bars addresses now (%d), and perhaps this one", in.Listener.Penalized)
	}
	return "wait until it is over, by default 10 minutes, or audit from elsewhere: " + by
}
