package load

import (
	"bytes"
	"fmt"
	"strconv"
	"sync/atomic"

	"github.com/caddy-telegram/telegramwebhook/internal/telegramtest"
	"github.com/caddy-telegram/telegramwebhook/internal/wire"
)

// lowestID has as many digits as every id that follows: the length of a request
// never changes.
const lowestID = 100_000_000

var ids atomic.Int64

// text is what the update says.
const text = "What is on the board this week?"

// digits is how many the update's ids have.
const digits = 9

// request is a request of about 1 KB, byte for byte as Telegram writes it, with
// a place for the update's id.
type request struct {
	bytes []byte
	id    int // where it begins
}

func newRequest(t Target) (request, error) {
	target, err := wire.ParseTarget(t.URL)
	if err != nil {
		return request{}, fmt.Errorf("%s: %w", t.URL, err)
	}
	b := target.Request(t.Secret, telegramtest.Message(lowestID, 204536821, text))
	return request{b, bytes.Index(b, strconv.AppendInt(nil, lowestID, 10))}, nil
}

// next gives the request an update_id that none has had: what remembers updates
// shall not know this one.
func (r request) next() []byte {
	id := r.bytes[r.id : r.id+digits]
	for n, at := lowestID+ids.Add(1), digits-1; at >= 0; n, at = n/10, at-1 {
		id[at] = byte('0' + n%10)
	}
	return r.bytes
}
