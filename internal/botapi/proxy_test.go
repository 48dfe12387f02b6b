package botapi

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
)

// testAPI names the child process's Bot API server. The environment's proxy is
// read once in a process, so each environment needs a process of its own.
const testAPI = "BOTAPI_TEST_API"

func TestProxyOfTheEnvironment(t *testing.T) {
	if api := os.Getenv(testAPI); api != "" {
		info, err := client(t, api).GetWebhookInfo(context.Background())
		fmt.Println("CHILD", info.URL, err)
		search(t, "the error", err)
		return
	}
	var proxied atomic.Value
	proxy := serve(t, func(w http.ResponseWriter, r *http.Request) {
		proxied.Store(r.Method + " " + r.RequestURI)
		if r.Method == http.MethodConnect {
			w.WriteHeader(http.StatusProxyAuthRequired)
			return
		}
		io.WriteString(w, `{"ok":true,"result":{"url":"https://by.proxy/"}}`)
	})
	direct := record(t, `{"ok":true,"result":{"url":"https://direct/"}}`)
	withPassword := strings.Replace(proxy.URL, "http://", "http://me:planted-password@", 1)
	gone := "http://me:planted-password@" + closedPort(t)

	for name, tc := range map[string]struct {
		api, env      string
		proxied, want string
	}{
		"HTTP_PROXY": {
			"http://bot-api.example:8081", "HTTP_PROXY=" + withPassword,
			"POST http://bot-api.example:8081/bot" + plantedToken + "/getWebhookInfo", "https://by.proxy/ <nil>",
		},
		"HTTPS_PROXY that refuses": {
			"https://bot-api.example", "HTTPS_PROXY=" + withPassword,
			"CONNECT bot-api.example:443",
			" getWebhookInfo: no answer from https://bot-api.example: Proxy Authentication Required; check the network, DNS, the proxy (HTTPS_PROXY) and the api URL",
		},
		"HTTPS_PROXY that is gone": {
			"https://bot-api.example", "HTTPS_PROXY=" + gone,
			"", " getWebhookInfo: no answer from https://bot-api.example: proxyconnect tcp: dial tcp 127.0.0.1:",
		},
		"a server on this machine": {direct.URL, "HTTP_PROXY=" + gone, "", "https://direct/ <nil>"},
	} {
		t.Run(name, func(t *testing.T) {
			proxied.Store("")
			cmd := exec.Command(os.Args[0], "-test.run=^TestProxyOfTheEnvironment$", "-test.count=1")
			for _, v := range os.Environ() {
				if !strings.Contains(strings.ToUpper(v), "_PROXY=") {
					cmd.Env = append(cmd.Env, v)
				}
			}
			// The race detector waits a second at the end, unless it is told not to.
			cmd.Env = append(cmd.Env, testAPI+"="+tc.api, tc.env, "GORACE=atexit_sleep_ms=0")
			output, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, output)
			}
			if !strings.Contains(string(output), "CHILD "+tc.want) {
				t.Errorf("got %s, want %s", output, tc.want)
			}
			if got := proxied.Load(); got != tc.proxied {
				t.Errorf("the proxy got %q, want %q", got, tc.proxied)
			}
			if found := leaks(string(output), "planted-password"); found != nil {
				t.Errorf("the output shows %q", found)
			}
		})
	}
}

func TestProxyOfAGivenClient(t *testing.T) {
	proxy := record(t, noWebhook)
	u, err := url.Parse(proxy.URL)
	if err != nil {
		t.Fatal(err)
	}
	c := clientOver(t, "http://bot-api.example", &http.Transport{Proxy: http.ProxyURL(u), DisableKeepAlives: true})
	if _, err := c.GetWebhookInfo(context.Background()); err != nil {
		t.Fatal(err)
	}
	if got := proxy.only(t).path; got != "http://bot-api.example/bot"+plantedToken+"/getWebhookInfo" {
		t.Errorf("the proxy got %s", got)
	}
}

// closedPort returns an address on loopback where nobody listens.
func closedPort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
