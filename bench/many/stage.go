package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/caddy-telegram/telegramwebhook/internal/telegramtest"
)

// runAsCaddy is the variable with which this program runs as Caddy.
const runAsCaddy = "BENCH_RUN_AS_CADDY"

// stage is a Caddy process with a folder of its own, a bot behind it and a
// stand-in for Telegram.
type stage struct {
	dir         string
	cmd         *exec.Cmd
	admin, site string
	bot, api    string
	telegram    *telegramtest.API
	client      *http.Client
	ends        []func()
}

func newStage() *stage {
	s := &stage{admin: "localhost:" + freePort(), site: "http://localhost:" + freePort()}
	s.dir = must(os.MkdirTemp("", "many-bots"))
	s.ends = append(s.ends, func() { _ = os.RemoveAll(s.dir) })

	bot := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }))
	s.bot = bot.Listener.Addr().String()
	s.telegram = telegramtest.NewAPI(telegramtest.APIOptions{AllowPort: true, AllowReserved: true})
	var stop func()
	s.api, stop = s.telegram.Start()
	s.client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: connections}}
	s.ends = append(s.ends, bot.Close, stop)

	s.cmd = exec.Command(must(os.Executable()), "run", "--config", "-")
	s.cmd.Stdin = strings.NewReader(fmt.Sprintf(`{"admin":{"listen":%q}}`, s.admin))
	s.cmd.Env = append(os.Environ(), runAsCaddy+"=1", "HOME="+s.dir, "XDG_DATA_HOME="+s.dir, "XDG_CONFIG_HOME="+s.dir)
	s.cmd.Stderr = must(os.Create(s.dir + "/log"))
	if err := s.cmd.Start(); err != nil {
		panic(err)
	}
	s.wait("Caddy answers", func() bool {
		resp, err := http.Get("http://" + s.admin + "/config/")
		if err == nil {
			resp.Body.Close()
		}
		return err == nil
	})
	return s
}

func (s *stage) close() {
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	_ = s.cmd.Wait()
	for _, end := range s.ends {
		end()
	}
}

// wait waits until something is so.
func (s *stage) wait(what string, is func() bool) {
	for end := time.Now().Add(10 * time.Minute); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			panic("not in time: " + what + "\n" + string(must(os.ReadFile(s.dir+"/log"))))
		}
	}
}

// load gives Caddy a configuration, and returns what that took.
func (s *stage) load(config []byte) usage {
	return s.measure(func() {
		resp := must(http.Post("http://"+s.admin+"/load", "application/json", bytes.NewReader(config)))
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			panic(string(must(io.ReadAll(resp.Body))))
		}
	})
}

// usage is what Caddy took for something.
type usage struct{ cpu, wall time.Duration }

func (s *stage) measure(do func()) usage {
	cpu, start := s.cpu(), time.Now()
	do()
	return usage{s.cpu() - cpu, time.Since(start)}
}

// cpu is the processor time that Caddy has had.
func (s *stage) cpu() time.Duration {
	var ns time.Duration
	tasks := must(os.ReadDir(fmt.Sprintf("/proc/%d/task", s.cmd.Process.Pid)))
	for _, task := range tasks {
		// In nanoseconds, where stat has hundredths of a second. A thread of Go
		// hardly ever ends, so none is missed.
		content, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/schedstat", s.cmd.Process.Pid, task.Name()))
		if err != nil {
			continue
		}
		ns += time.Duration(must(strconv.ParseInt(strings.Fields(string(content))[0], 10, 64)))
	}
	return ns
}

// memory is what Caddy holds after a garbage collection, in bytes.
type memory struct {
	heap, rss  int
	goroutines int
}

var (
	heapAlloc  = regexp.MustCompile(`# HeapAlloc = (\d+)`)
	goroutines = regexp.MustCompile(`goroutine profile: total (\d+)`)
	rss        = regexp.MustCompile(`VmRSS:\s+(\d+) kB`)
)

func (s *stage) memory() memory {
	s.get("/debug/pprof/heap?gc=1")
	heap := s.get("/debug/pprof/heap?gc=1&debug=1")
	status := string(must(os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))))
	return memory{number(heapAlloc, heap), 1024 * number(rss, status), number(goroutines, s.get("/debug/pprof/goroutine?debug=1"))}
}

func number(in *regexp.Regexp, text string) int {
	return must(strconv.Atoi(in.FindStringSubmatch(text)[1]))
}

// get asks Caddy's admin API.
func (s *stage) get(path string) string {
	resp := must(http.Get("http://" + s.admin + path))
	defer resp.Body.Close()
	return string(must(io.ReadAll(resp.Body)))
}

func freePort() string {
	l := must(net.Listen("tcp", "127.0.0.1:0"))
	defer l.Close()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
