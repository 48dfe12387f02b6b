package registry

import (
	"slices"
	"testing"
)

// called is a webhook that has a name, and can be told from others of it.
type called struct {
	Live
	name, id string
}

func (c *called) Name() string { return c.name }

// TestLive has a configuration with two webhooks of one name replaced by another.
func TestLive(t *testing.T) {
	want := func(when string, want ...string) {
		t.Helper()
		var got []string
		for _, w := range All() {
			got = append(got, w.(*called).id)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: there are %q, want %q", when, got, want)
		}
	}
	var remove []func()
	add := func(config int, name, id string) { remove = append(remove, Add(config, &called{name: name, id: id})) }
	add(1, "same", "one")
	add(1, "same", "two")
	add(1, "another", "three")
	want("all of a configuration", "three", "one", "two")
	if w, ok := Get("same"); !ok || w.(*called).id != "two" {
		t.Errorf("got %v, want the later one", w)
	}
	add(2, "same", "four")
	want("while one configuration replaces another", "three", "four")
	for _, end := range remove[:3] {
		end()
	}
	want("after that", "four")
	remove[3]()
	want("in the end")
	if _, ok := Get("same"); ok {
		t.Error("it is still there")
	}
}
