package report

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
)

// Machine says on what the figures were taken.
func Machine() string {
	memory := ""
	if field := lineOf("/proc/meminfo", "MemTotal"); field != "" {
		var kib int64
		if _, err := fmt.Sscan(field, &kib); err == nil {
			memory = fmt.Sprintf(", %d GiB", (kib+1<<19)>>20)
		}
	}
	release, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	return fmt.Sprintf("%s, %d cores%s, Linux %s", lineOf("/proc/cpuinfo", "model name"), runtime.NumCPU(), memory, kernel.FindString(string(release)))
}

// kernel is the part of a kernel's release that says which one it is.
var kernel = regexp.MustCompile(`^[0-9.]+`)

// lineOf returns what stands behind the colon in the first line of a name.
func lineOf(path, name string) string {
	content, _ := os.ReadFile(path)
	for line := range strings.Lines(string(content)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

var version = regexp.MustCompile(`[0-9]+\.[0-9]+(\.[0-9]+)?`)

// Version is the version that a program tells of itself.
func Version(program string, args ...string) string {
	out, err := exec.Command(program, args...).CombinedOutput()
	if err != nil {
		return "not there"
	}
	return version.FindString(string(out))
}
