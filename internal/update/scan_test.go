package update

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/caddy-telegram/telegramwebhook/internal/telegramtest"
)

// notJSON holds bodies that must be refused, with what the error says.
var notJSON = map[string]string{
	``:                               "ends after 0 bytes, expected a value",
	"  \n":                           "ends after 3 bytes, expected a value",
	`{`:                              "ends after 1 bytes, expected a key",
	`[`:                              "ends after 1 bytes, expected a value",
	`{"update_id"`:                   "ends after 12 bytes, expected a colon",
	`{"update_id":`:                  "ends after 13 bytes, expected a value",
	`{"update_id":1`:                 "ends after 14 bytes, expected a comma or the end",
	`{"update_id":-`:                 "ends after 14 bytes, expected a value",
	`{"update_id":1,`:                "ends after 15 bytes, expected a key",
	`{"update_id":1,"`:               "ends after 16 bytes, expected the end of a string",
	`{"a":"\`:                        "ends after 7 bytes, expected an escape",
	`{"a":"\u12`:                     "ends after 10 bytes, expected a hexadecimal digit",
	`{"update_id":1}}`:               "at byte 15, expected nothing after the update",
	`{"update_id":1}{"update_id":2}`: "at byte 15, expected nothing after the update",
	`{"update_id":1} x`:              "at byte 16, expected nothing after the update",
	`{"update_id":1,}`:               "at byte 15, expected a key",
	`{,"update_id":1}`:               "at byte 1, expected a key",
	`{"update_id":1 "a":2}`:          "at byte 15, expected a comma or the end",
	`{"update_id" 1}`:                "at byte 13, expected a colon",
	`{"update_id":}`:                 "at byte 13, expected a value",
	`{"update_id":+1}`:               "at byte 13, expected a value",
	`{"update_id":01}`:               "at byte 14, expected a comma or the end",
	`{"update_id":1.}`:               "at byte 15, expected a digit",
	`{"update_id":1e}`:               "at byte 15, expected a digit",
	`{"update_id":.5}`:               "at byte 13, expected a value",
	`{"update_id":0x1}`:              "at byte 14, expected a comma or the end",
	`{"update_id":NaN}`:              "at byte 13, expected a value",
	`{update_id:1}`:                  "at byte 1, expected a key",
	`{'update_id':1}`:                "at byte 1, expected a key",
	`{"a":tru}`:                      "at byte 5, expected true, false or null",
	`{"a":nul`:                       "at byte 5, expected true, false or null",
	`{"a":False}`:                    "at byte 5, expected a value",
	`{"a":[1,]}`:                     "at byte 8, expected a value",
	`{"a":[1}`:                       "at byte 7, expected a comma or the end",
	`{"a":{"b":1]}`:                  "at byte 11, expected a comma or the end",
	"{\"a\":\"\n\"}":                 "at byte 6, expected no control character",
	"{\"a\x00\":1}":                  "at byte 3, expected no control character",
	"{\"a\":1\x00}":                  "at byte 6, expected a comma or the end",
	"\x00":                           "at byte 0, expected a value",
	`{"a":"\x"}`:                     "at byte 7, expected an escape",
	`{"a":"\u12g4"}`:                 "at byte 10, expected a hexadecimal digit",
	"\xef\xbb\xbf{}":                 "at byte 0, expected a value",
	`update_id=1`:                    "at byte 0, expected a value",
	// What comes after the last id counts too.
	`{"update_id":1,"message":{"chat":{"id":2},"from":{"id":3},"text":"x}}`: "expected the end of a string",
}

func TestParseOfWhatIsNotJSON(t *testing.T) {
	for body, want := range notJSON {
		u, err := Parse([]byte(body))
		if err == nil || !strings.HasPrefix(err.Error(), "not JSON: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got the error %v, want %q", body, err, want)
		}
		if u != (Update{}) {
			t.Errorf("%q: got %+v with an error", body, u)
		}
	}
}

func TestParseOfDeepNesting(t *testing.T) {
	nested := func(open, closing string, levels int) string {
		return strings.Repeat(open, levels) + "1" + strings.Repeat(closing, levels)
	}
	for name, tc := range map[string]struct {
		open, closing string
	}{
		"arrays":       {"[", "]"},
		"objects":      {`{"a":`, "}"},
		"among places": {`{"chat":`, "}"},
	} {
		// The update itself and its type are two levels more.
		for _, levels := range []int{100, maxDepth - 2, maxDepth - 1, maxDepth, maxDepth + 1, 100_000} {
			body := `{"update_id":1,"message":{"x":` + nested(tc.open, tc.closing, levels) + `,"chat":{"id":2}}}`
			u, err := Parse([]byte(body))
			if levels <= maxDepth-2 {
				if err != nil || u != (Update{id(1), "message", id(2), ID{}}) {
					t.Errorf("%d %s: got %+v, %v", levels, name, u, err)
				}
			} else if err == nil || !strings.Contains(err.Error(), "at most 10000 levels") {
				t.Errorf("%d %s: got %v, want an error", levels, name, err)
			}
			for _, body := range []string{nested(tc.open, tc.closing, levels), strings.Repeat(tc.open, levels)} {
				if _, err := Parse([]byte(body)); (err == nil) != json.Valid([]byte(body)) {
					t.Errorf("%d bare %s: got %v", levels, name, err)
				}
			}
		}
	}
}

// TestParseOfManySiblings sees that only what is open counts as a level.
func TestParseOfManySiblings(t *testing.T) {
	for _, value := range []string{"{}", "[]", `{"a":1}`, "[1]"} {
		body := `{"update_id":1,"message":[` + strings.Repeat(value+",", 2*maxDepth) + `0]}`
		if u, err := Parse([]byte(body)); err != nil || u.ID != id(1) {
			t.Errorf("many times %s: got %+v, %v", value, u, err)
		}
	}
}

// TestParseOfAllShortTexts takes every text of a few letters out of those that
// matter, as it is and within an update.
func TestParseOfAllShortTexts(t *testing.T) {
	check := func(body string) {
		if _, err := Parse([]byte(body)); (err == nil) != json.Valid([]byte(body)) {
			t.Errorf("%q: got %v", body, err)
		}
	}
	var extend func(text, letters string, n int)
	extend = func(text, letters string, n int) {
		check(text)
		check(`{"update_id":` + text + `}`)
		for i := 0; i < len(letters) && n > 0; i++ {
			extend(text+letters[i:i+1], letters, n-1)
		}
	}
	extend("", `{}[],:"1 `, 5)
	extend("", `-+.01eE`, 5)
	for c := range 256 {
		for _, around := range []string{`{"a":"|"}`, `{"a":"\|"}`, `{"a":"\u|000"}`, `{"a":"\u000|"}`, `{"a":1|}`, `{"a":|}`, `|{}`} {
			check(strings.Replace(around, "|", string([]byte{byte(c)}), 1))
		}
	}
	for _, word := range []string{"true", "false", "null"} {
		for n := range len(word) + 1 {
			extend(word[:n], "el", 1)
		}
	}
}

// reference does what Parse does, with encoding/json.
func reference(body []byte) (u Update, err error) {
	if !json.Valid(body) {
		return Update{}, errors.New("not JSON")
	}
	var update map[string]any
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	if dec.Decode(&update) != nil {
		return Update{}, nil // JSON, but no object
	}
	u.ID = at(update, "update_id")
	delete(update, "update_id")
	for name, content := range update {
		if len(update) > 1 {
			break
		}
		u.Type = name
		for _, place := range []string{"chat.id", "user_chat_id", "message.chat.id"} {
			if !u.Chat.Valid {
				u.Chat = at(content, strings.Split(place, ".")...)
			}
		}
		for _, place := range []string{"from.id", "user.id", "boost.source.user.id", "source.user.id"} {
			if !u.User.Valid {
				u.User = at(content, strings.Split(place, ".")...)
			}
		}
	}
	return u, nil
}

func at(value any, path ...string) ID {
	for _, key := range path {
		object, _ := value.(map[string]any)
		value = object[key]
	}
	number, _ := value.(json.Number)
	n, err := strconv.ParseInt(string(number), 10, 64)
	if err != nil {
		return ID{}
	}
	return ID{n, true}
}

// keys are what grow writes into an object: of an update, under its type, and
// deeper.
var keys = [][]string{
	{`"update_id":`, `"message":`, `"message":`, `"m\u0065ssage":`, `"poll":`},
	{`"chat":`, `"c\u0068at" : `, `"from":`, `"user":`, `"user_chat_id":`, `"message":`, `"boost":`, `"source":`, `"Chat":`, "\"\xff\":"},
	{`"id":`, `"id":`, `"i\u0064" :`, `"chat":`, `"user":`, `"source":`},
}

// grow makes JSON out of any bytes, from the words that matter here: what a
// fuzzer seldom hits upon.
func grow(in *bytes.Reader, depth int) string {
	pick := func(words ...string) string {
		b, _ := in.ReadByte()
		return words[int(b)%len(words)]
	}
	switch kind := pick("object", "object", "object", "list", "word"); {
	case depth == 0 || kind == "object" && depth < 6:
		var members []string
		for more := pick("1", "12", "123", ""); len(members) < len(more); {
			key, value := pick(keys[min(depth, 2)]...), ""
			if strings.Contains(key, "i") && pick("id", "id", "id", "any") == "id" {
				value = pick("1", "2", "3", "-0", "-1002147483648", "9007199254740993", " 4 ")
			} else {
				value = grow(in, depth+1)
			}
			members = append(members, key+value)
		}
		return "{" + strings.Join(members, ",") + "}"
	case kind == "list" && depth < 6:
		return "[" + grow(in, depth+1) + "," + grow(in, depth+1) + "]"
	}
	return pick("null", "true", `"1"`, `"{\"id\":1}"`, "1.0", "1e3", "[]", "9223372036854775808", `"\ud83d"`, "\"\xff\"")
}

// FuzzParse compares Parse with encoding/json: on any bytes, and on JSON grown
// out of them.
func FuzzParse(f *testing.F) {
	for _, body := range telegramtest.Updates() {
		f.Add(body)
	}
	for _, tc := range bodies {
		f.Add([]byte(tc.body))
	}
	for body := range notJSON {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, body := range [][]byte{data, []byte(grow(bytes.NewReader(data), 0))} {
			before := slices.Clone(body)
			got, err := Parse(body)
			want, wantErr := reference(body)
			if got != want || (err == nil) != (wantErr == nil) {
				t.Errorf("%q: got %+v, %v, want %+v, %v", body, got, err, want, wantErr)
			}
			if !bytes.Equal(body, before) {
				t.Errorf("%q was changed into %q", before, body)
			}
		}
	})
}
