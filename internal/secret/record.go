package secret

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"time"

	"github.com/caddyserver/certmagic"
)

// record is a bot's secrets as they lie in storage. It is the only place, but
// for the memory of a process, where their values are.
type record struct {
	Version int `json:"version"`

	// Revision grows with every change. What a process knows is not replaced by
	// an older one, which a storage may still give out.
	Revision int `json:"revision"`

	Current  kept   `json:"current"`
	Next     *kept  `json:"next,omitempty"`
	Previous []kept `json:"previous,omitempty"` // the latest first
}

// kept is one secret of a record.
type kept struct {
	Value string    `json:"value"`
	Made  time.Time `json:"made"`
	Until time.Time `json:"until,omitzero"` // of a previous one: accepted until then
}

const recordVersion = 1

// values lists the values of which one may be registered, or was a moment ago.
func (rec *record) values() []string {
	values := []string{rec.Current.Value}
	if rec.Next != nil {
		values = append(values, rec.Next.Value)
	}
	for _, p := range rec.Previous {
		values = append(values, p.Value)
	}
	return values
}

// set is what is accepted by the record.
func (rec *record) set() *Set {
	accepted := []Accepted{{Value: rec.Current.Value}}
	if rec.Next != nil {
		accepted = append(accepted, Accepted{Value: rec.Next.Value})
	}
	for _, p := range rec.Previous {
		accepted = append(accepted, Accepted{Value: p.Value, Until: p.Until})
	}
	return NewSet(accepted...)
}

// check finds what cannot have been written by Advance or Registered.
func (rec *record) check() error {
	for _, value := range rec.values() {
		if err := Check(value); err != nil {
			return err
		}
	}
	return nil
}

var (
	errDamaged = errors.New("the secrets in storage are damaged")

	// ErrNewer is a record that is left to the nodes that understand it.
	ErrNewer = errors.New("the secrets in storage were written by a newer version of this module; update this node")
)

// store keeps a bot's record in Caddy's storage, beside the keys of the
// certificates and as well guarded.
type store struct {
	storage certmagic.Storage
	prefix  string // the bot's own keys
}

func (s store) key() string { return path.Join(s.prefix, "secret.json") }

// load reads the record; nil if there is none. Its errors hold nothing of what
// was read.
func (s store) load(ctx context.Context) (*record, error) {
	content, err := s.storage.Load(ctx, s.key())
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("reading %s from storage: %w", s.key(), err)
	}
	return decode(content)
}

// decode reads a record. The version comes first: a newer one may have any form.
func decode(content []byte) (*record, error) {
	var head struct {
		Version int `json:"version"`
	}
	if json.Unmarshal(content, &head) != nil || head.Version < 1 {
		return nil, errDamaged
	}
	if head.Version > recordVersion {
		return nil, ErrNewer
	}
	rec := new(record)
	if json.Unmarshal(content, rec) != nil || rec.check() != nil {
		return nil, errDamaged
	}
	return rec, nil
}

// save writes the record as the next revision.
func (s store) save(ctx context.Context, rec *record) error {
	rec.Version = recordVersion
	rec.Revision++
	content, err := json.Marshal(rec)
	if err != nil {
		return err
	}
	if err := s.storage.Store(ctx, s.key(), content); err != nil {
		return fmt.Errorf("writing %s to storage: %w", s.key(), err)
	}
	return nil
}

// setAside keeps a damaged record under another key, where a person can look at
// it, and returns the key.
func (s store) setAside(ctx context.Context) (string, error) {
	content, err := s.storage.Load(ctx, s.key())
	if err != nil {
		return "", fmt.Errorf("reading %s from storage: %w", s.key(), err)
	}
	aside := path.Join(s.prefix, "secret-damaged-"+time.Now().UTC().Format("20060102T150405Z")+".json")
	if err := s.storage.Store(ctx, aside, content); err != nil {
		return "", fmt.Errorf("writing %s to storage: %w", aside, err)
	}
	return aside, nil
}
