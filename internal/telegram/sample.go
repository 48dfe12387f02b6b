package telegram

import (
	"bytes"
	_ "embed"
	"fmt"
	"math/rand/v2"
)

//go:embed message.json
var message []byte

// SampleMessage returns an update with a message from a person who does not exist, byte
// for byte as Telegram sends it.
func SampleMessage(id int64) []byte {
	_, rest, _ := bytes.Cut(bytes.TrimSpace(message), []byte(","))
	return fmt.Appendf(nil, `{"update_id":%d,%s`, id, rest)
}

// SampleID returns a random update_id for an update that is made up. It is lower than
// Telegram's, so that a bot that remembers the highest does not drop later updates.
func SampleID() int64 { return 1 + rand.Int64N(1_000_000) }
