package secret

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"path"
	"time"

	"go.uber.org/zap"
)

func (k *Kept) key() string { return path.Join(k.Prefix, "secret.json") }

// load reads the record from storage; an empty one if it certainly does not exist. The error
// holds nothing of the content.
func (k *Kept) load(ctx context.Context) (rec record, err error) {
	content, err := k.Storage.Find(ctx, k.key())
	if err != nil || content == nil {
		return rec, err
	}
	if rec, err = decode(content); err != nil {
		return rec, err
	}
	rec.limit(time.Now(), k.Grace)
	k.Memory.see(rec.Next)
	return rec, nil
}

// see notes the next secret as storage has returned it.
func (m *Memory) see(next *kept) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if next != nil && next.Value != m.seenNext {
		m.seenNext, m.seenAt = next.Value, time.Now()
	}
}

// sawNext returns when storage first returned the next secret, if it has.
func (m *Memory) sawNext(value string) (at time.Time, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.seenAt, m.seenNext == value
}

// save writes the record as the next revision, unless storage has it. This node accepts its
// secrets only after that, since other nodes must be able to read them.
func (k *Kept) save(ctx context.Context, rec record) error {
	content, err := json.Marshal(rec)
	if err != nil || bytes.Equal(content, rec.stored) {
		return err
	}
	rec.Version, rec.Revision = recordVersion, rec.Revision+1
	if content, err = json.Marshal(rec); err != nil {
		return err
	}
	if err := k.Storage.Store(ctx, k.key(), content); err != nil {
		return err
	}
	k.Memory.learn(rec, k.Grace)
	return nil
}

// setAside copies a damaged record to another key, for inspection.
func (k *Kept) setAside(ctx context.Context) error {
	aside := path.Join(k.Prefix, "secret-damaged-"+time.Now().UTC().Format("20060102T150405Z")+".json")
	content, err := k.Storage.Load(ctx, k.key())
	if err == nil {
		err = k.Storage.Store(ctx, aside, content)
	}
	if err != nil {
		return fmt.Errorf("setting %s aside: %w", k.key(), err)
	}
	k.Logger.Error("damaged secrets in storage set aside", zap.String("key", k.key()), zap.String("set_aside_as", aside))
	return nil
}

// Forget satisfies Source.
func (k *Kept) Forget(ctx context.Context) error {
	k.Memory.forget()
	return k.Storage.Delete(ctx, k.Prefix, "secret")
}
