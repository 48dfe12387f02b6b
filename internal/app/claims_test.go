package app

import (
	"fmt"
	"sync"
	"testing"
)

// TestClaims has webhooks start while others get their first updates, and two that
// want the same.
func TestClaims(t *testing.T) {
	c := new(claims)
	var claiming sync.WaitGroup
	for i := range 8 {
		claiming.Go(func() {
			for n := range 1000 {
				if err := c.claimName(fmt.Sprint(i, " ", n), new(Webhook)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	claiming.Wait()
	one, two := new(Webhook), new(Webhook)
	for _, err := range []error{c.claimName("same", one), c.claimName("same", one)} {
		if err != nil {
			t.Errorf("the webhook that has the name: %v", err)
		}
	}
	if c.claimName("same", two) == nil {
		t.Error("two webhooks have the same name")
	}
}
