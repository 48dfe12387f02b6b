// Package samples holds an update of every type that Telegram sends.
package samples

import (
	"bytes"
	"embed"
	"fmt"
	"math/rand/v2"
	"strings"
)

//go:embed updates/*.json
var files embed.FS

// Updates returns a realistic update of every type that Telegram sends, by the
// name of the type, byte for byte as on the wire. The caller may change the map
// and what is in it.
func Updates() map[string][]byte {
	entries, err := files.ReadDir("updates")
	if err != nil {
		panic(err)
	}
	updates := make(map[string][]byte, len(entries))
	for _, e := range entries {
		body, err := files.ReadFile("updates/" + e.Name())
		if err != nil {
			panic(err)
		}
		updates[strings.TrimSuffix(e.Name(), ".json")] = bytes.TrimSuffix(body, []byte("\n"))
	}
	return updates
}

// maxID is below the ids that Telegram gives.
const maxID = 1_000_000

// ID returns an update_id for an update that is made up. It is another one each
// time, so that nothing that drops repeated updates drops this one; and a low
// one, so that a bot that remembers the highest does not drop later ones.
func ID() int64 { return 1 + rand.Int64N(maxID) }

// Update returns the update of a type with an id of its own.
func Update(kind string) ([]byte, bool) {
	body, ok := Updates()[kind]
	if !ok {
		return nil, false
	}
	_, rest, _ := bytes.Cut(body, []byte(","))
	return fmt.Appendf(nil, `{"update_id":%d,%s`, ID(), rest), true
}
