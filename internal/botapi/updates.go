package botapi

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"
)

// Poll holds the parameters of getUpdates. All of them are always sent.
type Poll struct {
	Offset         int64         // confirms all updates before this one
	Limit          int           // from 1 to 100
	Timeout        time.Duration // how long Telegram waits for an update if there is none, at most LongPoll
	AllowedUpdates []string      // empty for Telegram's default
}

// LongPoll is the longest that Telegram waits for an update.
const LongPoll = 50 * time.Second

// GetUpdates returns the earliest updates that have not been confirmed, each as it is on
// the wire.
func (c *Client) GetUpdates(ctx context.Context, p Poll) ([]json.RawMessage, error) {
	var updates updateList
	err := c.do(ctx, call{method: "getUpdates", long: true, parameters: []parameter{
		{"offset", strconv.FormatInt(p.Offset, 10)},
		{"limit", strconv.Itoa(p.Limit)},
		{"timeout", strconv.Itoa(int(p.Timeout.Seconds()))},
		{"allowed_updates", typeList(p.AllowedUpdates)},
	}}, &updates)
	return updates, err
}

// typeList encodes types of updates, [] and not null for none.
func typeList(types []string) string {
	list, _ := json.Marshal(append([]string{}, types...))
	return string(list)
}

// Run calls the method that a bot's answer asks for, with the answer's own body. The
// method is what the bot wrote, and would otherwise become part of a URL.
func (c *Client) Run(ctx context.Context, method, contentType string, body []byte) error {
	const longest = 64 // characters, twice as many as the longest name has
	if method == "" || len(method) > longest || strings.Trim(strings.ToLower(method), "abcdefghijklmnopqrstuvwxyz") != "" {
		return errors.New("the method in the answer is not the name of one")
	}
	return c.do(ctx, call{method: method, long: true, body: body, contentType: contentType}, new(anything))
}
