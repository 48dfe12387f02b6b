// Package boundedlog writes logs that a flood cannot fill, and makes what strangers say
// fit for them.
package boundedlog

import (
	"slices"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

const (
	// Window is the time over which entries are counted.
	Window = time.Minute

	// Burst is how many entries of each kind are written in a window. What
	// comes beyond them is counted and reported once, when the window ends.
	Burst = 10
)

// Log writes the first entries of each kind in a window and then one summary:
// at most Burst entries a kind and one more a minute, however many come. What
// it writes adds up: the entries and the counts in the summaries are all there was.
//
// It holds no lock; a window lasts from its first entry.
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

// New makes a log whose entries of the given kinds, counted from zero, have
// message, the field that says what they are about, and their kind in the field
// reason.
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

// Add counts an entry of the kind, and writes it if it is one of the first.
// The fields are asked for only then.
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

// summarize ends the window. It is declared over before the counters are read:
// an entry that is counted later opens the next one.
func (l *Log) summarize() {
	l.open.Store(false)
	for kind := range l.counts {
		if n := l.counts[kind].Swap(0); n > Burst {
			l.logger.Log(l.level, l.message, l.about(), zap.String("reason", l.kinds[kind]), zap.Uint64("more", n-Burst), zap.Duration("within", Window))
		}
	}
}

// Close writes the summary of a window that is still open. A log that was never
// made has none.
func (l *Log) Close() {
	if l == nil {
		return
	}
	if t := l.timer.Load(); t != nil {
		t.Stop()
	}
	l.summarize()
}
