package soak

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caddy-telegram/telegramwebhook/integration/caddytest"
)

// What the steady node may have more after the soak than before it: what works
// in the background comes and goes, and memory that is bounded may be fuller.
const (
	moreGoroutines = 10
	moreFiles      = 5
	moreHeap       = 2 << 20
)

// vitals is what a process holds.
type vitals struct {
	goroutines, files, heap int64

	// Where it holds it: by stack, and by kind of file.
	byStack, byFile, byAllocation map[string]int64
}

// isLike reports whether a process holds no more than before, but for what comes and goes.
func (v vitals) isLike(before vitals) bool {
	return v.goroutines <= before.goroutines+moreGoroutines && v.files <= before.files+moreFiles && v.heap <= before.heap+moreHeap
}

func (v vitals) String() string {
	return fmt.Sprintf("%d goroutines, %d files, %d KiB of heap", v.goroutines, v.files, v.heap>>10)
}

// vitals asks the steady node, after a garbage collection.
func (s *soak) vitals() (v vitals) {
	n := s.steady()
	goroutines := caddytest.Get(s.t, n.admin, "/debug/pprof/goroutine?debug=1")
	v.byStack = parseProfile(goroutines, countedGoroutines)
	for _, count := range v.byStack {
		v.goroutines += count
	}
	v.byFile = openFiles(n.Cmd.Process.Pid)
	for _, count := range v.byFile {
		v.files += count
	}
	caddytest.Get(s.t, n.admin, "/debug/pprof/heap?gc=1") // pools are empty after the second one
	heap := caddytest.Get(s.t, n.admin, "/debug/pprof/heap?gc=1&debug=1")
	v.byAllocation = parseProfile(heap, regexp.MustCompile(`^\d+: (\d+) \[`))
	if m := regexp.MustCompile(`(?m)^# HeapAlloc = (\d+)$`).FindStringSubmatch(heap); m != nil {
		v.heap, _ = strconv.ParseInt(m[1], 10, 64)
	}
	if v.goroutines == 0 || v.files == 0 || v.heap == 0 {
		s.t.Fatalf("the process tells of %s", v)
	}
	return v
}

// countedGoroutines is the line of a profile that counts the goroutines of a stack.
var countedGoroutines = regexp.MustCompile(`^(\d+) @`)

// frame is a line of a stack in a profile.
var frame = regexp.MustCompile(`(?m)^#\t0x[0-9a-f]+\t(\S+?)\+0x[0-9a-f]+\t.*$`)

// parseProfile reads a profile in text: what is counted, by stack.
func parseProfile(text string, counted *regexp.Regexp) map[string]int64 {
	profile := make(map[string]int64)
	var n int64
	var stack []string
	end := func() {
		if n > 0 {
			profile[strings.Join(stack, "\n\t")] += n
		}
		n, stack = 0, nil
	}
	for line := range strings.Lines(text) {
		if m := counted.FindStringSubmatch(line); m != nil {
			end()
			n, _ = strconv.ParseInt(m[1], 10, 64)
		} else if m := frame.FindStringSubmatch(strings.TrimSuffix(line, "\n")); m != nil {
			stack = append(stack, m[1])
		}
	}
	end()
	return profile
}

// openFiles counts the open files of a process by what they are.
func openFiles(pid int) map[string]int64 {
	files := make(map[string]int64)
	links, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	for _, link := range links {
		if what, err := os.Readlink(link); err == nil {
			kind, _, _ := strings.Cut(what, ":[")
			files[kind]++
		}
	}
	return files
}

// quiet closes what is open to the steady node and only waits to be used again.
func (s *soak) quiet() {
	http.DefaultClient.CloseIdleConnections()
	s.bot.stop()
	s.bot.start()
}

// settled is what the steady node holds once traffic has stopped: the least
// that it comes down to before it stays there.
func (s *soak) settled() vitals {
	s.quiet()
	least := s.vitals()
	for since := time.Now(); time.Since(since) < 5*time.Second; {
		<-time.After(200 * time.Millisecond)
		if v := s.vitals(); v.goroutines < least.goroutines || v.files < least.files {
			least, since = v, time.Now()
		}
	}
	return least
}

// recovered waits until the steady node is back where it was.
func (s *soak) recovered(before vitals) (after vitals) {
	s.quiet()
	timeout, tick := time.After(caddytest.Patience), time.NewTicker(200*time.Millisecond)
	defer tick.Stop()
	for {
		after = s.vitals()
		if after.isLike(before) {
			return after
		}
		select {
		case <-tick.C:
		case <-timeout:
			s.t.Errorf("the steady node has not come back from %s to %s\ngoroutines:\n%s\nfiles:\n%s\nheap:\n%s", after, before,
				growth(before.byStack, after.byStack), growth(before.byFile, after.byFile), growth(before.byAllocation, after.byAllocation))
			return after
		}
	}
}

// growth lists what has grown most.
func growth(before, after map[string]int64) string {
	grown := make(map[string]int64)
	for what, n := range after {
		if more := n - before[what]; more > 0 {
			grown[what] = more
		}
	}
	var list strings.Builder
	for _, what := range slices.SortedFunc(maps.Keys(grown), func(a, b string) int { return cmp.Compare(grown[b], grown[a]) })[:min(len(grown), 15)] {
		fmt.Fprintf(&list, "%+d\t%s\n", grown[what], what)
	}
	return list.String()
}
