package telegramtest

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode/utf16"

	"github.com/caddy-telegram/telegramwebhook/internal/telegram"
)

//go:embed updates/*.json
var updates embed.FS

// begin is the date of every sample: Telegram gives an update up a day after its
// date. It is the same for the whole life of the process.
var begin = time.Now().Unix()

var dates = regexp.MustCompile(`"(date|edit_date|add_date|remove_date)":\d+`)

// Updates returns a realistic update of every type that Telegram sends, by the
// name of the type, byte for byte as on the wire.
func Updates() map[string][]byte {
	entries, err := updates.ReadDir("updates")
	if err != nil {
		panic(err)
	}
	all := map[string][]byte{"message": telegram.SampleMessage(471961782)}
	for _, entry := range entries {
		body, err := updates.ReadFile("updates/" + entry.Name())
		if err != nil {
			panic(err)
		}
		all[strings.TrimSuffix(entry.Name(), ".json")] = bytes.TrimSuffix(body, []byte("\n"))
	}
	for kind, body := range all {
		all[kind] = dates.ReplaceAll(body, fmt.Appendf(nil, `"$1":%d`, begin))
	}
	return all
}

// messageFormat is a reply in a group: about as much as a message has on
// average, 1 KB.
const messageFormat = `{"update_id":%[1]d,
"message":{"message_id":%[1]d,"from":{"id":204536821,"is_bot":false,"first_name":"Zo\u00eb","last_name":"Kr\u00fcger","username":"zoe_k","language_code":"de"},` +
	`"chat":{"id":%[2]d,"title":"Allotment \ud83c\udf3b","type":"supergroup"},"date":%[4]d,"message_thread_id":5100,` +
	`"reply_to_message":{"message_id":5100,"from":{"id":7120045519,"is_bot":false,"first_name":"Ravi","username":"ravi_p","language_code":"en","is_premium":true},` +
	`"chat":{"id":%[2]d,"title":"Allotment \ud83c\udf3b","type":"supergroup"},"date":%[4]d,` +
	`"text":"Who can water the beds at the weekend? The hose is in the shed, the key under the third pot from the left, and the tap behind the compost has to be opened first. Leave a note on the board when you were there, please, so that nobody waters twice.",` +
	`"entities":[{"offset":8,"length":9,"type":"bold"},{"offset":46,"length":4,"type":"italic"}]},` +
	`"text":%[3]s,"link_preview_options":{"is_disabled":true}}}`

// Message returns an update with a text message of about 1 KB, for load tests.
func Message(id, chat int64, text string) []byte {
	return fmt.Appendf(nil, messageFormat, id, chat, quote(text), begin)
}

// quote encodes a string in ASCII, as Telegram does.
func quote(s string) []byte {
	var encoded bytes.Buffer
	enc := json.NewEncoder(&encoded)
	enc.SetEscapeHTML(false)
	enc.Encode(s)
	var b []byte
	for _, r := range strings.TrimSuffix(encoded.String(), "\n") {
		switch {
		case r < 0x80:
			b = append(b, byte(r))
		case r < 0x10000:
			b = fmt.Appendf(b, `\u%04x`, r)
		default:
			high, low := utf16.EncodeRune(r)
			b = fmt.Appendf(b, `\u%04x\u%04x`, high, low)
		}
	}
	return b
}
