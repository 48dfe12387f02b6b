package registrar

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddy-telegram/telegramwebhook/internal/botapi"
	"github.com/caddy-telegram/telegramwebhook/internal/status"
)

// rollOut brings a fleet to where node b has the newer configuration already,
// and node a not yet.
func rollOut(t *testing.T) (api *server, a, b *node) {
	t.Helper()
	api, a = alone(t, time.Second)
	b = a.beside(t, "b", wanted).again(t, newer)
	settle(2 * interval)
	a.want(t, status.Superseded)
	b.want(t, status.Registered)
	wantCalls(t, api, 2, "while the change is rolled out")
	return api, a, b
}

// TestRestartInRollOut restarts the node that has the old configuration yet.
func TestRestartInRollOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api, a, b := rollOut(t)
		for range 3 {
			a = a.again(t, wanted)
			a.want(t, status.Superseded)
		}
		a.Suspect()
		settle(3 * interval)
		a.want(t, status.Superseded)
		b.want(t, status.Registered)
		wantCalls(t, api, 2, "after the old node was restarted")

		a = a.again(t, newer)
		a.want(t, status.Registered)
		wantCalls(t, api, 2, "after it has got the newer configuration")
	})
}

// TestRollBack goes back to the older configuration, node by node.
func TestRollBack(t *testing.T) {
	for name, before := range map[string]bool{"of a roll-out that has ended": true, "in the middle of it": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				api, a, b := rollOut(t)
				if before {
					a = a.again(t, newer)
				}
				b = b.again(t, wanted)
				b.want(t, status.Registered)
				if before {
					a = a.again(t, wanted)
				}
				settle(2 * interval)
				a.want(t, status.Registered)
				wantCalls(t, api, 3, "after the roll-back")
				if url := api.registered().URL; url != wanted.URL {
					t.Errorf("Telegram has %s", url)
				}
			})
		})
	}
}

// TestNewerNodesGone starts an old node when nobody runs the newer configuration
// any more, as when the other half of a blue-green pair is switched on again.
func TestNewerNodesGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api, a, b := rollOut(t)
		b.Stop()
		a = a.again(t, wanted)
		a.want(t, status.Superseded)
		settle(4 * interval)
		a.want(t, status.Registered)
		wantCalls(t, api, 3, "after the newer nodes have been gone for a while")
	})
}

// TestNodeThatStays keeps a superseded configuration silent in a node that goes on
// running, until the nodes with the newer one have given no sign for two checks, whatever
// becomes of the record.
func TestNodeThatStays(t *testing.T) {
	for name, lost := range map[string]bool{"": false, "record lost": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				api, a, b := rollOut(t)
				settle(10 * interval)
				a.want(t, status.Superseded)
				api.failWith(away)
				settle(10 * interval) // failing nodes give signs too
				a.want(t, status.Superseded)
				api.failWith(nil)
				settle(2 * interval)
				b.want(t, status.Registered)
				wantCalls(t, api, 2, "while the newer node lives")
				a.Look() // what it has read is never older than a check
				settle(time.Second)
				b.Stop()
				settle(time.Second)
				if lost {
					lose(t, a.Storage.Module)
				}
				a.Look()
				settle(time.Second)
				a.want(t, status.Superseded)
				settle(4 * interval)
				a.want(t, status.Registered)
				wantCalls(t, api, 3, "after the newer node is gone")
				if a.logged("webhook taken over from inactive nodes") != 1 {
					t.Error("not logged once")
				}
			})
		})
	}
}

// TestRenewed has another certificate come up in a node that goes on running.
func TestRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api, n := alone(t, time.Second)
		renewed := wanted
		withCertificate(t, &renewed)
		n.wanted.Store(&renewed)
		settle(2 * interval)
		n.want(t, status.Registered)
		wantCalls(t, api, 2, "after the certificate was renewed")
		if got := api.Calls("setWebhook")[1].Files["certificate"]; string(got) != strings.TrimSpace(string(renewed.Certificate)) {
			t.Error("Telegram has the old certificate")
		}
	})
}

// TestManyNodes has more nodes than the record keeps.
func TestManyNodes(t *testing.T) {
	rec := new(record)
	for i := range 3 * maxNodes {
		rec.Fingerprint = fmt.Sprint("sum of ", i)
		rec.markChecked(Node{Name: fmt.Sprint("node ", i)}, interval)
		rec.markChecked(Node{Name: "stays"}, interval)
	}
	if len(rec.Nodes) != maxNodes {
		t.Errorf("%d nodes in the record, want %d", len(rec.Nodes), maxNodes)
	}
	last := participant{"stays", rec.Fingerprint}
	if !slices.Contains(rec.Nodes, last) || slices.Contains(rec.Nodes, participant{"stays", "sum of 0"}) {
		t.Error("the record does not know the last registration of a node")
	}
}

// withCertificate adds a self-signed certificate of the webhook's host.
func withCertificate(t *testing.T, w *botapi.Webhook) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"bot.example.com"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	w.Certificate = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}
