package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
)

// helpers are what this program does in processes of its own, so that their work
// is not mistaken for the generator's.
var helpers = map[string]func(stdin io.Reader, stdout io.Writer) error{
	"upstream": upstream,
	"flood":    flood,
}

// runHelper does what a helper does if that is what the program was called for.
func runHelper(args []string) (is bool) {
	if len(args) != 2 || helpers[args[1]] == nil {
		return false
	}
	if err := helpers[args[1]](os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return true
}

// helper is one that runs, until it is stopped.
type helper struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser
	out   *bufio.Reader
}

func startHelper(name string) (*helper, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	h := &helper{cmd: exec.Command(self, name)}
	h.cmd.Stderr = os.Stderr
	if h.stdin, err = h.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	stdout, err := h.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	h.out = bufio.NewReader(stdout)
	return h, h.cmd.Start()
}

// line returns the next line that the helper writes.
func (h *helper) line() (string, error) {
	line, err := h.out.ReadString('\n')
	return strings.TrimSpace(line), err
}

// stop has the helper end, and waits until it has.
func (h *helper) stop() error {
	_ = h.stdin.Close()
	return h.cmd.Wait()
}
