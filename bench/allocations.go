package main

import (
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
)

var allocationsPerOp = regexp.MustCompile(`(?m)^Benchmark.*\s([0-9]+) allocs/op$`)

// checkAllocations runs the benchmark of the gate's check, and returns the most
// that one check allocates.
func checkAllocations(dir string) (string, error) {
	cmd := exec.Command("go", "test", "-run", "^$", "-bench", "^BenchmarkVerify$", "-benchmem", "-benchtime", "10000x", ".")
	cmd.Dir = dir
	output, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s: %w\n%s", cmd, err, output)
	}
	return mostAllocations(output)
}

func mostAllocations(output []byte) (string, error) {
	var counts []int
	for _, match := range allocationsPerOp.FindAllSubmatch(output, -1) {
		n, err := strconv.Atoi(string(match[1]))
		if err != nil {
			return "", err
		}
		counts = append(counts, n)
	}
	if len(counts) == 0 {
		return "", errors.New("no benchmark of the check")
	}
	return strconv.Itoa(slices.Max(counts)), nil
}
