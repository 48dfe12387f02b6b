// Package samples holds an update of every type that Telegram sends.
package samples

import (
	"bytes"
	"embed"
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
