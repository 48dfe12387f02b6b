// Package proc reads the processor time and memory of processes from /proc.
package proc

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// tick is the unit of processor time in /proc: 1/USER_HZ, and USER_HZ is 100 on
// every architecture that Go supports.
const tick = 10 * time.Millisecond

// Tree returns a process and its descendants.
func Tree(pid int) []int {
	pids := []int{pid}
	for i := 0; i < len(pids); i++ {
		pids = append(pids, children(pids[i])...)
	}
	return pids
}

func children(pid int) (pids []int) {
	tasks, _ := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	for _, task := range tasks {
		list, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/children", pid, task.Name()))
		for _, field := range strings.Fields(string(list)) {
			if child, err := strconv.Atoi(field); err == nil {
				pids = append(pids, child)
			}
		}
	}
	return pids
}

// CPU returns the user and system time of processes together.
func CPU(pids []int) (total time.Duration, err error) {
	for _, pid := range pids {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			return 0, err
		}
		ran, err := parseStat(stat)
		if err != nil {
			return 0, fmt.Errorf("/proc/%d/stat: %w", pid, err)
		}
		total += ran
	}
	return total, nil
}

var errStat = errors.New("unknown format")

// parseStat returns the sum of utime and stime, fields 14 and 15. Field 2, the name
// of the program, may hold spaces and parentheses.
func parseStat(stat []byte) (time.Duration, error) {
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 13 {
		return 0, errStat
	}
	user, err1 := strconv.ParseInt(fields[11], 10, 64)
	system, err2 := strconv.ParseInt(fields[12], 10, 64)
	if err1 != nil || err2 != nil {
		return 0, errStat
	}
	return time.Duration(user+system) * tick, nil
}

// Memory returns the bytes of memory of processes together. Processes that have
// ended count as 0. Pages of files, such as the program, are shared: they count
// once, by the process that maps most.
func Memory(pids []int) (int64, error) {
	var own, files int64
	for _, pid := range pids {
		rollup, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
			continue
		}
		if err != nil {
			return 0, err
		}
		m, err := parseRollup(rollup)
		if err != nil {
			return 0, fmt.Errorf("/proc/%d/smaps_rollup: %w", pid, err)
		}
		own += m["Pss_Anon"]
		files = max(files, m["Rss"]-m["Anonymous"])
	}
	return own + files, nil
}

// parseRollup returns sizes in bytes by their names.
func parseRollup(rollup []byte) (map[string]int64, error) {
	sizes := make(map[string]int64)
	for line := range strings.Lines(string(rollup)) {
		fields := strings.Fields(line)
		if len(fields) != 3 || fields[2] != "kB" {
			continue // the first line has the addresses
		}
		kib, err := strconv.ParseInt(fields[1], 10, 64)
		if err != nil {
			return nil, errStat
		}
		sizes[strings.TrimSuffix(fields[0], ":")] = kib << 10
	}
	for _, name := range []string{"Rss", "Anonymous", "Pss_Anon"} {
		if _, ok := sizes[name]; !ok {
			return nil, errStat
		}
	}
	return sizes, nil
}
