package secret

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddy-telegram/telegramwebhook/internal/storagetest"
)

// TestDecode refuses what this module cannot have written.
func TestDecode(t *testing.T) {
	const sound = `"current":{"value":"fine_0123456789"}`
	for name, tc := range map[string]struct {
		content string
		err     error
	}{
		"a sound record":             {`{"version":1,"revision":3,` + sound + `}`, nil},
		"one that is not a number":   {`{"version":1,"revision":1e99,` + sound + `}`, errDamaged},
		"a negative revision":        {`{"version":1,"revision":-1,` + sound + `}`, errDamaged},
		"a negative version":         {`{"version":-1,"revision":3,` + sound + `}`, errDamaged},
		"a version that is too long": {`{"version":99999999999999999999,"revision":3,` + sound + `}`, errDamaged},
		"a newer version":            {`{"version":2,"revision":-1}`, ErrNewer},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := decode([]byte(tc.content)); err != tc.err {
				t.Errorf("got %v, want %v", err, tc.err)
			}
		})
	}
}

// TestLimit corrects times of a clock that was wrong, and a list that is too long.
func TestLimit(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	ago, ahead, year := now.Add(-time.Minute), now.Add(time.Minute), now.AddDate(1, 0, 0)
	for name, tc := range map[string]struct {
		change func(*record)
		want   func(*record) // nil if it stays as it is
	}{
		"made in a year": {
			func(rec *record) { rec.Current.Made = year },
			func(rec *record) { rec.Current.Made = time.Time{} },
		},
		"made in a minute": {func(rec *record) { rec.Current.Made = ahead }, nil},
		"made long ago":    {func(rec *record) { rec.Current.Made = time.Time{} }, nil},
		"the next made in a year": {
			func(rec *record) { rec.Next = &kept{Value: "next", Made: year} },
			func(rec *record) { rec.Next.Made = now },
		},
		"accepted for a year": {
			func(rec *record) { rec.Previous[0].Until = year },
			func(rec *record) { rec.Previous[0].Until = now.Add(grace) },
		},
		"accepted for ever": {
			func(rec *record) { rec.Previous[0].Until = time.Time{} },
			func(rec *record) { rec.Previous[0].Until = now.Add(grace) },
		},
		"accepted no longer": {func(rec *record) { rec.Previous[0].Until = ago }, nil},
		"10,000 previous": {
			func(rec *record) {
				for range 10_000 {
					rec.Previous = append(rec.Previous, kept{Value: "previous", Made: ago, Until: ahead})
				}
			},
			func(rec *record) { rec.Previous = rec.Previous[:maxPrevious] },
		},
	} {
		t.Run(name, func(t *testing.T) {
			rec := &record{Current: kept{Value: "current", Made: ago}, Previous: []kept{{Value: "previous", Made: ago, Until: ahead}}}
			tc.change(rec)
			want := marshal(t, rec)
			changed := tc.want != nil
			rec.limit(now, grace)
			got := marshal(t, rec)
			if changed {
				tc.want(rec)
				want = marshal(t, rec)
			}
			if got != want {
				t.Errorf("got %.500s, want %.500s", got, want)
			}
		})
	}
}

func marshal(t *testing.T, rec *record) string {
	t.Helper()
	content, err := json.Marshal(rec)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// TestWrongNumbers has a record in storage with numbers that no node can have
// meant. A rotation goes to its end all the same, and begins no other.
func TestWrongNumbers(t *testing.T) {
	const far = "2999-01-01T00:00:00Z"
	for name, tc := range map[string]struct {
		numbers string
		damaged bool
	}{
		"a negative revision":        {`"revision":-5`, true},
		"a grace period without end": {`"revision":7,"previous":[{"value":"old_0123456789","until":"` + far + `"}]`, false},
		"no end of a grace period":   {`"revision":7,"previous":[{"value":"old_0123456789"}]`, false},
		"10,000 previous ones": {`"revision":7,"previous":[` +
			strings.Repeat(`{"value":"old_0123456789","until":"`+far+`"},`, 9_999) + `{"value":"old_0123456789","until":"` + far + `"}]`, false},
		"a next one from the future": {`"revision":7,"next":{"value":"next_0123456789","made":"` + far + `"}`, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				storage := storagetest.NewMemory()
				made := time.Now().Add(-time.Hour).Format(time.RFC3339)
				content := fmt.Sprintf(`{"version":1,"current":{"value":"first_0123456789","made":%q},%s}`, made, tc.numbers)
				if err := storage.Store(t.Context(), recordKey, []byte(content)); err != nil {
					t.Fatal(err)
				}
				n := newNode(t, storage)
				if n.judge("first_0123456789"); (n.Current() == "") != tc.damaged {
					t.Fatalf("taken for damaged: %v, want %v", !tc.damaged, tc.damaged)
				}
				first := n.register()
				if set := n.Memory.accepted.Load(); set == nil || len(set.accepted) > maxPrevious+2 {
					t.Fatal("too many secrets are accepted")
				}
				_, _ = n.Advance(t.Context(), true, nil)
				if again := time.Until(n.Status().NextStep); again > settleTime {
					t.Errorf("goes on in %s, want %s at most", again, settleTime)
				}
				time.Sleep(settleTime)
				second := n.register()
				if second == first || n.Status().Rotating {
					t.Error("the rotation has not ended")
				}
				n.want(first, "previous")
				for range 5 {
					time.Sleep(time.Second)
					if n.register() != second || n.Status().Rotating {
						t.Fatal("another rotation has begun")
					}
				}
				newNode(t, storage).want(second, "current")
				time.Sleep(grace)
				n.want("old_0123456789", "refused")
				n.want(first, "refused")
				n.advance()
				if content, _ := storage.Load(t.Context(), recordKey); strings.Contains(string(content), "old_0123456789") {
					t.Error("the old secret is still in storage")
				}
				want := 0
				if tc.damaged {
					want = 1
				}
				n.wantLog("damaged secrets in storage set aside", want)
			})
		})
	}
}

// TestGraceOverRestarts has a process that starts again and again: that does not
// make a grace period longer which a wrong clock has given no end.
func TestGraceOverRestarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		storage := storagetest.NewMemory()
		content := fmt.Sprintf(`{"version":1,"revision":7,"current":{"value":"first_0123456789","made":%q},"previous":[{"value":"old_0123456789","until":"2999-01-01T00:00:00Z"}]}`,
			time.Now().Format(time.RFC3339))
		if err := storage.Store(t.Context(), recordKey, []byte(content)); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			n := newNode(t, storage)
			n.want("old_0123456789", "previous")
			n.register()
			time.Sleep(grace / 3)
		}
		newNode(t, storage).want("old_0123456789", "refused")
	})
}

// FuzzDecode takes any record, and gives back what is sound.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"version":1,"revision":3,"current":{"value":"a"},"next":{"value":"b"},"previous":[{"value":"c","until":"2026-01-01T00:00:00Z"}]}`))
	f.Add([]byte(`{"version":2,"current":"of another form"}`))
	f.Add([]byte(`{"version":1,"current":{"value":""}}`))
	f.Add([]byte("{torn"))
	f.Fuzz(func(t *testing.T, content []byte) {
		rec, err := decode(content)
		if err != nil {
			if rec.Current.Value != "" {
				t.Errorf("%q: both a record and %v", content, err)
			}
			return
		}
		for _, a := range rec.accepted() {
			if Check(a.Value) != nil {
				t.Errorf("%q: %q is accepted", content, a.Value)
			}
		}
		if !NewSet(rec.accepted()...).Match(rec.Current.Value) {
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
