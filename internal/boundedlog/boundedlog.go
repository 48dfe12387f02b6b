// Package boundedlog writes logs that a flood cannot fill, and makes text from strangers safe to log.
package boundedlog

import (
	"slices"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

const (
	// Window is the period in which entries are counted.
	Window = time.Minute

	// Burst is how many entries of each kind are written in a window. Further entries are
	// counted and reported once, when the window ends.
	Burst = 10
)

// Log writes the first entries of each kind in a window and then one summary: at most
// Burst entries and one more per kind and minute, regardless of their number. The written
// entries and the counts in the summaries add up to all entries.
//
// Log takes no lock. A window starts with its first entry.
type Log struct {
	logger  *zap.Logger
	level   zapcore.Level
	message string
	about   func() zap.Field
	kinds   []string
	counts  []atomic.Uint64
	open    atomic.Bool // a window is running
	timer   atomic.Pointer[time.Timer]
}

// New returns a log for entries of the given kinds, which are counted from zero. Each
// entry has the message, the field that about returns, and its kind in the field reason.
func New(logger *zap.Logger, level zapcore.Level, message string, about func() zap.Field, kinds ...string) *Log {
	return &Log{
		logger:  logger,
		level:   level,
		message: message,
		about:   about,
		kinds:   kinds,
		counts:  make([]atomic.Uint64, len(kinds)),
	}
}

// Add counts an entry of the kind, and writes it if it is one of the first in the window.
// Only then does it call fields.
func (l *Log) Add(kind int, fields func() []zap.Field) {
	n := l.counts[kind].Add(1)
	if !l.open.Load() && l.open.CompareAndSwap(false, true) {
		l.timer.Store(time.AfterFunc(Window, l.summarize))
	}
	if n > Burst {
		return
	}
	l.logger.Log(l.level, l.message, slices.Concat([]zap.Field{l.about()}, fields(), []zap.Field{zap.String("reason", l.kinds[kind])})...)
}

// summarize ends the window. It closes the window before it reads the counters, so that
// an entry that is counted later opens the next one.
func (l *Log) summarize() {
	l.open.Store(false)
	for kind := range l.counts {
		if n := l.counts[kind].Swap(0); n > Burst {
			l.logger.Log(l.level, l.message, l.about(), zap.String("reason", l.kinds[kind]), zap.Uint64("more", n-Burst), zap.Duration("within", Window))
		}
	}
}

// Close writes the summary of a window that is still open. It does nothing for a nil Log.
func (l *Log) Close() {
	if l == nil {
		return
	}
	if t := l.timer.Load(); t != nil {
		t.Stop()
	}
	l.summarize()
}

// Repeated remembers the last logged error, so that an error is logged only once until it
// changes or passes. The zero value holds no error.
type Repeated struct {
	detail, remedy string
	at             time.Time // when it was logged
}

// IsNew reports whether to log an error. An error that differs only in its text is logged again after a while: the text
// may contain a port or a number of seconds that always changes.
func (r *Repeated) IsNew(detail, remedy string) bool {
	if remedy == r.remedy && (detail == r.detail || time.Since(r.at).Abs() < 10*time.Minute) {
		return false
	}
	*r = Repeated{detail, remedy, time.Now()}
	return true
}
