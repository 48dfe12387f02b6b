package telegramtest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// Whatever is refused, the old webhook is gone by then.
func TestRefused(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	private := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	const unusable = "Bad Request: bad webhook: Failed to set custom certificate file{error:05800088:x509 certificate routines::no certificate or crl found}"

	resolve := func(host string) ([]netip.Addr, error) {
		switch host {
		case "six.example.com":
			return []netip.Addr{netip.MustParseAddr("2001:db8::1")}, nil
		case "both.example.com":
			return []netip.Addr{netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("9.9.9.9")}, nil
		case "home.example.com":
			return []netip.Addr{netip.MustParseAddr("192.168.1.5")}, nil
		case "bot.example.com":
			return []netip.Addr{netip.MustParseAddr("8.8.8.8")}, nil
		}
		return nil, errors.New("no such host")
	}
	for _, test := range []struct {
		name        string
		options     APIOptions
		certificate []byte
		params      []string
		want        string
	}{
		{"url", APIOptions{}, nil, []string{"url", "ftp://a"}, "Bad Request: invalid webhook URL specified"},
		{"url before the secret", APIOptions{}, nil, []string{"url", "https://a b/", "secret_token", "!"}, "Bad Request: invalid webhook URL specified"},
		{"secret of 257", APIOptions{}, nil, []string{"secret_token", strings.Repeat("!", 257)}, "Bad Request: secret token is too long"},
		{"secret of 256", APIOptions{}, nil, []string{"secret_token", strings.Repeat("a", 256)}, ""},
		{"character", APIOptions{}, nil, []string{"secret_token", "AZaz09_-+a"}, "Bad Request: secret token contains unallowed characters"},
		{"big certificate", APIOptions{}, make([]byte, 3<<20+1), nil, "Bad Request: certificate size is too big (3145729 bytes)"},
		{"no certificate", APIOptions{}, make([]byte, 3<<20), nil, unusable},
		{"private key", APIOptions{}, private, nil, unusable},
		{"http", APIOptions{}, nil, []string{"url", "http://bot.example.com:81/"}, "Bad Request: bad webhook: An HTTPS URL must be provided for webhook"},
		{"port", APIOptions{}, nil, []string{"url", "https://127.0.0.1:444/"}, "Bad Request: bad webhook: Webhook can be set up only on ports 80, 88, 443 or 8443"},
		{"port 80", APIOptions{}, nil, []string{"url", "https://bot.example.com:80/"}, ""},
		{"port 88", APIOptions{}, nil, []string{"url", "https://bot.example.com:88/"}, ""},
		{"port 8443", APIOptions{}, nil, []string{"url", "https://bot.example.com:8443/"}, ""},
		{"any port", APIOptions{AllowPort: true}, nil, []string{"url", "https://bot.example.com:444/"}, ""},
		{"loopback", APIOptions{}, nil, []string{"url", "https://127.0.0.1/"}, "Bad Request: bad webhook: IP address 127.0.0.1 is reserved"},
		{"loopback allowed", APIOptions{AllowReserved: true}, nil, []string{"url", "https://127.0.0.1/"}, ""},
		{"reserved fixed", APIOptions{}, nil, []string{"ip_address", "10.1.2.3"}, "Bad Request: bad webhook: IP address 10.1.2.3 is reserved"},
		{"no address", APIOptions{}, nil, []string{"ip_address", "ten"}, "Bad Request: bad webhook: Invalid IP address specified"},
		{"fixed six", APIOptions{}, nil, []string{"ip_address", "::1"}, "Bad Request: bad webhook: IPv6-only addresses are not allowed"},
		{"six", APIOptions{}, nil, []string{"url", "https://[2001:db8::1]/"}, "Bad Request: bad webhook: IPv6-only addresses are not allowed"},
		{"resolves to six", APIOptions{Resolve: resolve}, nil, []string{"url", "https://six.example.com/"}, "Bad Request: bad webhook: IPv6-only addresses are not allowed"},
		{"resolves to both", APIOptions{Resolve: resolve}, nil, []string{"url", "https://both.example.com/"}, ""},
		{"resolves to reserved", APIOptions{Resolve: resolve}, nil, []string{"url", "https://home.example.com/"}, "Bad Request: bad webhook: IP address 192.168.1.5 is reserved"},
		{"does not resolve", APIOptions{Resolve: resolve}, nil, []string{"url", "https://nowhere.example.com/"}, "Bad Request: bad webhook: Failed to resolve host: Name or service not known"},
		{"fixed instead", APIOptions{Resolve: resolve}, nil, []string{"url", "https://nowhere.example.com/", "ip_address", "8.8.4.4"}, ""},
		{"no route", APIOptions{Resolve: resolve, NoRoute: func(to netip.AddrPort) bool { return to.String() == "8.8.8.8:8443" }}, nil,
			[]string{"url", "https://bot.example.com:8443/"}, "Bad Request: bad webhook: Failed to connect to [8.8.8.8:8443]"},
		{"user of two", APIOptions{}, nil, []string{"url", "https://u:p@w@bot.example.com/"}, "Bad Request: invalid webhook URL specified"},
		{"local", APIOptions{Local: true}, nil, []string{"url", "http://10.0.0.7:5000/"}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := newAPI(t, nil, test.options)
				call(t, a, setPath, "url", hookURL, "secret_token", "old").is(t, 200, "Webhook was set")
				time.Sleep(time.Second)
				params := append([]string{"url", hookURL + "2"}, test.params...)
				var r result
				if test.certificate != nil {
					r = upload(t, a, test.certificate, params...)
				} else {
					r = call(t, a, setPath, params...)
				}
				if test.want == "" {
					r.is(t, 200, "Webhook was set")
					return
				}
				r.is(t, 400, test.want)
				if got := info(t, a); got != noWebhook {
					t.Errorf("left behind: %s", got)
				}
			})
		})
	}
}
