package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
)

// helpers run in processes of their own, so that they do not slow the generator
// down.
var helpers = map[string]func(stdin io.Reader, stdout io.Writer) error{
	"upstream": runUpstream,
	"flood":    runFlood,
}

// runHelper runs a helper if the command line names one, and reports whether it
// did.
func runHelper(args []string) bool {
	if len(args) != 2 || helpers[args[1]] == nil {
		return false
	}
	if err := helpers[args[1]](os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return true
}

// helper is a running helper process.
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

// line returns the next line of the helper's output.
func (h *helper) line() (string, error) {
	line, err := h.out.ReadString('\n')
	return strings.TrimSpace(line), err
}

// stop ends the helper and waits for it.
func (h *helper) stop() error {
	_ = h.stdin.Close()
	return h.cmd.Wait()
}
