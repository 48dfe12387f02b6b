package storage

import (
	"sync"
	"time"

	"go.uber.org/zap"
)

// Health is what a process knows of its storage. The zero value is that of a storage
// that nobody has used yet.
type Health struct {
	held sync.Map // the names of the locks that this process has not got in time

	mu        sync.Mutex
	readAt    time.Time
	writtenAt time.Time
	awaySince time.Time
}

// Status is what is known of storage.
type Status struct {
	ReadAt    time.Time // when a record was last read; zero for never
	WrittenAt time.Time // when a record was last written; zero for never
	AwaySince time.Time // since when no record can be read; zero if records can be read
}

// Status returns what is known.
func (h *Health) Status() Status {
	h.mu.Lock()
	defer h.mu.Unlock()
	return Status{h.readAt, h.writtenAt, h.awaySince}
}

// Away reports whether the last reading failed.
func (h *Health) Away() bool { return !h.Status().AwaySince.IsZero() }

// recordRead takes the result of a reading. It logs the first failure, and the first
// success after it.
func (s *Storage) recordRead(err error) {
	h := s.Health
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now()
	switch {
	case err == nil:
		h.readAt = now
		if !h.awaySince.IsZero() {
			s.Logger.Info("storage back", zap.Time("away_since", h.awaySince))
			h.awaySince = time.Time{}
		}
	case h.awaySince.IsZero():
		h.awaySince = now
		s.Logger.Error("storage away", zap.Error(err), zap.Time("last_read", h.readAt))
	}
}

func (s *Storage) recordWrite() {
	s.Health.mu.Lock()
	defer s.Health.mu.Unlock()
	s.Health.writtenAt = time.Now()
}
