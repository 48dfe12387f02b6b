package secret

import (
	"encoding/json"
	"testing"
)

// FuzzDecode takes any record, and gives back what is sound.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"version":1,"revision":3,"current":{"value":"a"},"next":{"value":"b"},"previous":[{"value":"c","until":"2026-01-01T00:00:00Z"}]}`))
	f.Add([]byte(`{"version":2,"current":"of another form"}`))
	f.Add([]byte(`{"version":1,"current":{"value":""}}`))
	f.Add([]byte("{torn"))
	f.Fuzz(func(t *testing.T, content []byte) {
		rec, err := decode(content)
		if err != nil {
			if rec != nil {
				t.Errorf("%q: both a record and %v", content, err)
			}
			return
		}
		for _, value := range rec.values() {
			if Check(value) != nil {
				t.Errorf("%q: %q is accepted", content, value)
			}
		}
		if !rec.set().Match(rec.Current.Value) {
			t.Errorf("%q: the current secret is not accepted", content)
		}
		again, err := json.Marshal(rec)
		if err != nil {
			return // a time that JSON cannot hold
		}
		if _, err := decode(again); err != nil {
			t.Errorf("%s: written as %s, which is %v", content, again, err)
		}
	})
}
