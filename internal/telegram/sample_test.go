package telegram

import (
	"encoding/json"
	"testing"
)

func TestSampleMessage(t *testing.T) {
	seen := make(map[int64]bool)
	for range 20 {
		id := SampleID()
		if id < 1 || id > 1_000_000 {
			t.Errorf("id %d", id)
		}
		seen[id] = true
		var u struct {
			ID      int64 `json:"update_id"`
			Message struct{ Text string }
		}
		if err := json.Unmarshal(SampleMessage(id), &u); err != nil || u.ID != id || u.Message.Text == "" {
			t.Errorf("got %s, %v", SampleMessage(id), err)
		}
	}
	if len(seen) < 15 {
		t.Errorf("20 ids, of which only %d differ", len(seen))
	}
}
