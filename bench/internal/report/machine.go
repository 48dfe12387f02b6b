package report

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
)

// Machine describes the machine of the run.
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

// kernel matches the version in a kernel's release.
var kernel = regexp.MustCompile(`^[0-9.]+`)

// lineOf returns the value of the first line with a name and a colon.
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

// Version returns the version that a program prints.
func Version(program string, args ...string) string {
	out, err := exec.Command(program, args...).CombinedOutput()
	if err != nil {
		return "not installed"
	}
	return version.FindString(string(out))
}
