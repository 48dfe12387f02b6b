package listener

import (
	"net/http"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/caddy-telegram/telegramwebhook/internal/boundedlog"
)

// TestRefused has many forgeries come from an address, and looks at whether it is
// barred.
func TestRefused(t *testing.T) {
	w := &Wrapper{Penalty: &rule, penalties: NewPenalties(), barredLog: boundedlog.New(zap.NewNop(), zap.WarnLevel, "barred", zap.Skip, "forged")}
	for remote, tc := range map[string]struct {
		protoMajor int
		want       bool
	}{
		"192.0.2.1:40000":                  {1, true},
		"192.0.2.2:40000":                  {2, true},
		"192.0.2.3:40000":                  {3, false}, // has not passed the wrapper
		"149.154.160.1:40000":              {1, false}, // Telegram
		"[::ffff:149.154.160.1]:40000":     {1, false},
		"[2001:db8:1:2::7]:40000":          {1, true},
		"@":                                {1, false}, // a Unix socket
		"":                                 {1, false},
		"[fe80::1%eth0]:40000":             {1, true},
		"[::ffff:192.0.2.4]:40000":         {1, true},
		"not an address, and has: a colon": {1, false},
	} {
		r := &http.Request{RemoteAddr: remote, ProtoMajor: tc.protoMajor}
		for i := range 2 * rule.Count {
			if got, want := w.Refused(r, true), tc.want && i >= rule.Count-1; got != want {
				t.Errorf("%s, forgery %d: got %v", remote, i+1, got)
			}
		}
		if r.ProtoMajor > 2 && w.penalties.isBarred(mustRange("192.0.2.3")) {
			t.Errorf("%s: barred", remote)
		}
	}
	var none *Wrapper
	none.Passed(&http.Request{})
	if none.Refused(&http.Request{RemoteAddr: "192.0.2.1:40000"}, true) {
		t.Error("a server without a wrapper bars addresses")
	}
}

func TestWrongPenalty(t *testing.T) {
	for want, p := range map[string]Penalty{
		"count: is negative":              {Count: -1},
		"window: is not from 1s to 24h":   {Window: 1},
		"duration: is not from 1s to 24h": {Duration: caddy.Duration(25 * time.Hour)},
	} {
		if err := p.complete(); err == nil || err.Error() != want {
			t.Errorf("%+v: got %v, want %s", p, err, want)
		}
	}
	var p Penalty
	if err := p.complete(); err != nil || p != (Penalty{20, caddy.Duration(time.Minute), caddy.Duration(10 * time.Minute)}) {
		t.Errorf("by default: %+v, %v", p, err)
	}
}
