package storage

import (
	"sync"
	"time"

	"go.uber.org/zap"
)

// Health is the state of a process's storage. The zero value is that of an unused storage.
type Health struct {
	missed sync.Map // the names of the locks that were not obtained in time

	mu     sync.Mutex
	status Status
}

// Status describes storage.
type Status struct {
	ReadAt    time.Time // when a record was last read; zero for never
	WrittenAt time.Time // when a record was last written; zero for never
	AwaySince time.Time // since when no record can be read; zero if records can be read
}

// Status returns the status.
func (h *Health) Status() Status {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.status
}

// recordRead records the result of a reading. It logs the first failure, and the first
// success after it.
func (s *Storage) recordRead(err error) {
	s.Health.mu.Lock()
	defer s.Health.mu.Unlock()
	now, status := time.Now(), &s.Health.status
	switch {
	case err == nil:
		status.ReadAt = now
		if !status.AwaySince.IsZero() {
			s.Logger.Info("storage back", zap.Time("away_since", status.AwaySince))
			status.AwaySince = time.Time{}
		}
	case status.AwaySince.IsZero():
		status.AwaySince = now
		s.Logger.Error("storage away", zap.Error(err), zap.Time("last_read", status.ReadAt))
	}
}

func (s *Storage) recordWrite() {
	s.Health.mu.Lock()
	defer s.Health.mu.Unlock()
	s.Health.status.WrittenAt = time.Now()
}
