package proc

import (
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"
)

func TestParseStat(t *testing.T) {
	for _, test := range []struct {
		name, stat string
		want       time.Duration
		ok         bool
	}{
		{"plain", "42 (caddy) S 1 42 42 0 -1 4194560 900 0 3 0 120 34 5 6 20 0 7 0 1234", 1540 * time.Millisecond, true},
		{"name with a bracket and spaces", "42 (a) b) c) S 1 42 42 0 -1 4194560 900 0 3 0 1 0 5 6 20 0 7 0 1234", 10 * time.Millisecond, true},
		{"short", "42 (caddy) S 1 42", 0, false},
		{"no number", "42 (caddy) S 1 42 42 0 -1 4194560 900 0 3 0 x 34 5 6 20 0 7 0 1234", 0, false},
		{"empty", "", 0, false},
	} {
		if got, err := parseStat([]byte(test.stat)); got != test.want || (err == nil) != test.ok {
			t.Errorf("%s: got %v, %v", test.name, got, err)
		}
	}
}

func TestParseRollup(t *testing.T) {
	const rollup = `55d0c0a6e000-7ffe3d5f5000 ---p 00000000 00:00 0                          [rollup]
Rss:               41236 kB
Pss:               21000 kB
Pss_Anon:          18000 kB
Anonymous:         20000 kB
`
	m, err := parseRollup([]byte(rollup))
	if err != nil || m["Rss"] != 41236<<10 || m["Pss_Anon"] != 18000<<10 || m["Anonymous"] != 20000<<10 {
		t.Errorf("got %v, %v", m, err)
	}
	for _, bad := range []string{"", "Rss: x kB\n", "Rss: 1 kB\nAnonymous: 1 kB\n"} {
		if m, err := parseRollup([]byte(bad)); err == nil {
			t.Errorf("%q: got %v", bad, m)
		}
	}
}

// The real files are as the parsers have it.
func TestOwnProcess(t *testing.T) {
	child := exec.Command("cat")
	stdin, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = stdin.Close()
		_ = child.Wait()
	}()
	tree := Tree(os.Getpid())
	if tree[0] != os.Getpid() || !slices.Contains(tree, child.Process.Pid) {
		t.Errorf("%v is not this process %d and its child %d", tree, os.Getpid(), child.Process.Pid)
	}
	for range 1_000_000 { // so that it has run for a while
		_ = time.Now()
	}
	if ran, err := CPU(tree); err != nil || ran <= 0 {
		t.Errorf("CPU: got %v, %v", ran, err)
	}
	if bytes, err := Memory(tree); err != nil || bytes < 1<<20 {
		t.Errorf("memory: got %d, %v", bytes, err)
	}
	if bytes, err := Memory([]int{1 << 30}); err != nil || bytes != 0 {
		t.Errorf("memory of a process that is not there: got %d, %v", bytes, err)
	}
	if _, err := CPU([]int{1 << 30}); err == nil {
		t.Error("no error for a process that is not there")
	}
}
