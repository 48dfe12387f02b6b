package telegramwebhook

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestGuardUnanswered has an address that was barred knock on and on, at a Caddy
// whose sockets can filter: the kernel no longer answers it, and goes on to answer
// others.
func TestGuardUnanswered(t *testing.T) {
	t.Setenv("GODEBUG", "multipathtcp=0")
	bot := startBot(t, func(http.ResponseWriter, *http.Request) {})
	admin, port := freePort(t), freePort(t)
	c := startCaddy(t, globals(fmt.Sprintf("admin localhost:%d\n\tmetrics\n\tservers :%d {\n\t\tlistener_wrappers {\n\t\t\ttelegram_webhook {\n\t\t\t\tpenalty 3\n\t\t\t}\n\t\t\ttls\n\t\t}\n\t}", admin, port))+
		fmt.Sprintf("https://localhost:%d {\n\ttelegram_webhook {env.TELEGRAM_SECRET}\n\treverse_proxy %s\n}\n", port, bot))
	at := func(address string) stranger {
		return stranger{t, address, &tls.Config{RootCAs: c.roots(), ServerName: "localhost"}, fmt.Sprintf("127.0.0.1:%d", port)}
	}
	for range 3 {
		at("127.0.0.5").post("forged")
	}
	knock := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 5)}, Timeout: time.Second}
	waitUntil(t, "it is not answered", func() bool {
		conn, err := knock.Dial("tcp4", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			conn.Close()
		}
		var timeout net.Error
		return errors.As(err, &timeout) && timeout.Timeout()
	})
	if status, _ := at("127.0.0.6").post(rightSecret); status != http.StatusOK {
		t.Errorf("another address: got %d", status)
	}
	waitUntil(t, "the metrics say so", func() bool {
		return strings.Contains(getMetrics(t, admin), `caddy_telegram_webhook_dropped_connections_total{reason="penalty"} 10`) &&
			!strings.Contains(getMetrics(t, admin), `caddy_telegram_webhook_dropped_connections_total{reason="unanswered"} 0`)
	})
	c.out.wait(t, `"msg":"address no longer answered","range":"127.0.0.5/32"`)
}
