package registry

import (
	"errors"
	"testing"
)

func TestClaim(t *testing.T) {
	_, release, err := Claim("a bot", "old", "one")
	if err != nil {
		t.Fatal(err)
	}
	claimed, ok := errors.AsType[*Claimed](claim(t, "a bot", "old", "two"))
	if !ok || claimed.By != "one" {
		t.Fatalf("claimed twice in one configuration: got %v, want an error that names the first", claimed)
	}
	if err := claim(t, "a bot", "new", "two"); err != nil {
		t.Errorf("the configuration that replaces it: %v", err)
	}
	release()
	release() // has no effect
	if err := claim(t, "a bot", "old", "three"); err != nil {
		t.Errorf("given back: %v", err)
	}
	if n, _ := bots.References("a bot"); n != 2 {
		t.Errorf("%d hold the bot, want 2", n)
	}
}

// claim claims until the test ends.
func claim(t *testing.T, key string, config any, who string) error {
	t.Helper()
	_, release, err := Claim(key, config, who)
	if err == nil {
		t.Cleanup(release)
	}
	return err
}
