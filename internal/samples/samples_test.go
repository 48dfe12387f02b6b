package samples

import (
	"encoding/json"
	"testing"
)

// An update has an id that is none of Telegram's, and another one each time.
func TestUpdate(t *testing.T) {
	seen := make(map[int64]bool)
	for kind := range Updates() {
		body, ok := Update(kind)
		var u map[string]json.RawMessage
		if err := json.Unmarshal(body, &u); err != nil || !ok || len(u) != 2 || u[kind] == nil {
			t.Errorf("%s: got %s, %v", kind, body, err)
		}
		var id int64
		if err := json.Unmarshal(u["update_id"], &id); err != nil || id < 1 || id > maxID {
			t.Errorf("%s: id %d, %v", kind, id, err)
		}
		seen[id] = true
	}
	if len(seen) < len(Updates())-1 {
		t.Errorf("%d types have only %d ids", len(Updates()), len(seen))
	}
	if _, ok := Update("letter"); ok {
		t.Error("there is an update of a type that does not exist")
	}
}
