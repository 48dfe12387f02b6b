package load

import (
	"bytes"
	"fmt"
	"strconv"
	"sync/atomic"

	"github.com/caddy-telegram/telegramwebhook/internal/telegram"
	"github.com/caddy-telegram/telegramwebhook/internal/telegramtest"
)

// lowestID has as many digits as every id after it, so that the length of a
// request never changes.
const lowestID = 100_000_000

var ids atomic.Int64

// text is the text of the message in the update.
const text = "What is on the board this week?"

// digits is the number of digits of an update_id.
const digits = 9

// request is a request of about 1 KB, byte for byte as Telegram writes it, with
// room for an update_id.
type request struct {
	bytes []byte
	id    int // the offset of the update_id
}

func newRequest(url, secret string) (request, error) {
	target, err := telegram.ParseTarget(url)
	if err != nil {
		return request{}, fmt.Errorf("%s: %w", url, err)
	}
	b := target.Request(secret, telegramtest.Message(lowestID, 204536821, text))
	return request{b, bytes.Index(b, strconv.AppendInt(nil, lowestID, 10))}, nil
}

// next returns the request with a new update_id, which no deduplication has seen.
func (r request) next() []byte {
	id := r.bytes[r.id : r.id+digits]
	for n, at := lowestID+ids.Add(1), digits-1; at >= 0; n, at = n/10, at-1 {
		id[at] = byte('0' + n%10)
	}
	return r.bytes
}
