package botapi

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"
)

var sound = Webhook{URL: "https://bot.example.com/", Secret: "a_secret", MaxConnections: 40}

func TestCheck(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*Webhook)
		local  bool
		want   string
	}{
		"good":                      {func(*Webhook) {}, false, ""},
		"port 8443":                 {at("https://bot.example.com:8443/x?y=z"), false, ""},
		"port 88":                   {at("https://bot.example.com:88/"), false, ""},
		"a public address":          {at("https://8.8.8.8/"), false, ""},
		"no url yet":                {at(""), false, ""},
		"not a url":                 {at("bot.example.com"), false, "url: is not an address such as https://bot.example.com/telegram"},
		"no host":                   {at("https:///x"), false, "url: is not an address such as https://bot.example.com/telegram"},
		"http":                      {at("http://bot.example.com/"), false, "url: must begin with https://"},
		"http, local":               {at("http://10.0.0.1:9000/"), true, ""},
		"ftp, local":                {at("ftp://10.0.0.1/"), true, "url: must begin with https://"},
		"a fragment":                {at("https://bot.example.com/#x"), false, "url: must have neither a user nor a fragment"},
		"a user":                    {at("https://a:b@bot.example.com/"), false, "url: must have neither a user nor a fragment"},
		"port 8080":                 {at("https://bot.example.com:8080/"), false, "url: port 8080 is not one of 443, 80, 88, 8443, to which Telegram sends updates"},
		"IPv6":                      {at("https://[2001:db8::1]/"), false, "url: 2001:db8::1 is not an IPv4 address, and Telegram uses no other"},
		"a private address":         {at("https://192.168.1.1/"), false, "url: 192.168.1.1 is a reserved address, which Telegram does not reach"},
		"a loopback address":        {at("https://127.0.0.1/"), false, "url: 127.0.0.1 is a reserved address, which Telegram does not reach"},
		"a documentation address":   {at("https://203.0.113.1/"), false, "url: 203.0.113.1 is a reserved address, which Telegram does not reach"},
		"a name of this machine":    {at("https://localhost/"), false, "url: localhost is not a public host name, so Telegram cannot find it"},
		"a name of this network":    {at("https://bot.internal/"), false, "url: bot.internal is not a public host name, so Telegram cannot find it"},
		"such a name, local":        {at("https://bot.internal/"), true, ""},
		"such a name, found":        {func(w *Webhook) { w.URL, w.IPAddress = "https://bot.internal/", "8.8.8.8" }, false, ""},
		"types of update":           {func(w *Webhook) { w.AllowedUpdates = []string{"message", "some_new_type"} }, false, ""},
		"types with a comma":        {func(w *Webhook) { w.AllowedUpdates = []string{"message,poll"} }, false, `allowed_updates: "message,poll" is not the name of a type of update, such as message; name each by itself`},
		"a type of update, empty":   {func(w *Webhook) { w.AllowedUpdates = []string{""} }, false, `allowed_updates: "" is not the name of a type of update, such as message; name each by itself`},
		"the longest url":           {longest(0), false, ""},
		"one byte more":             {longest(1), false, "url: is so long that the head of a request has 4069 bytes; above 4068 Telegram sends nothing, without an error"},
		"ip_address: IPv6":          {func(w *Webhook) { w.IPAddress = "2001:db8::1" }, false, `ip_address: "2001:db8::1" is not an IPv4 address, and Telegram uses no other`},
		"ip_address: private":       {func(w *Webhook) { w.IPAddress = "10.0.0.1" }, false, "ip_address: 10.0.0.1 is a reserved address, which Telegram does not reach"},
		"ip_address: local":         {func(w *Webhook) { w.IPAddress = "10.0.0.1" }, true, ""},
		"max_connections: 0":        {func(w *Webhook) { w.MaxConnections = 0 }, false, "max_connections: 0 is not from 1 to 100"},
		"max_connections: 101":      {func(w *Webhook) { w.MaxConnections = 101 }, false, "max_connections: 101 is not from 1 to 100"},
		"max_connections: local":    {func(w *Webhook) { w.MaxConnections = 100_000 }, true, ""},
		"certificate":               {withCertificate(t, nil), false, ""},
		"certificate: empty":        {func(w *Webhook) { w.Certificate = []byte{} }, false, "certificate: is empty, not in PEM form, or has a broken block"},
		"certificate: not PEM":      {func(w *Webhook) { w.Certificate = []byte("0") }, false, "certificate: is empty, not in PEM form, or has a broken block"},
		"certificate: another form": {withCertificate(t, []byte("-----BEGIN TRUSTED CERTIFICATE-----\nAAAA\n-----END TRUSTED CERTIFICATE-----\n")), false, "certificate: holds a TRUSTED CERTIFICATE; a file to upload has blocks of the type CERTIFICATE alone, and never a private key"},
		"certificate: private key":  {withCertificate(t, []byte("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")), false, "certificate: holds a PRIVATE KEY; a file to upload has blocks of the type CERTIFICATE alone, and never a private key"},
		"certificate: too large":    {func(w *Webhook) { w.Certificate = make([]byte, 3<<20+1) }, false, "certificate: has 3145729 bytes; Telegram takes up to 3145728"},
	} {
		t.Run(name, func(t *testing.T) {
			w := sound
			tc.change(&w)
			got := ""
			if err := w.Check(tc.local); err != nil {
				got = err.Error()
			}
			if got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

func at(s string) func(*Webhook) { return func(w *Webhook) { w.URL = s } }

// longest makes the head of a request as long as it may be, and some more.
func longest(more int) func(*Webhook) {
	return func(w *Webhook) {
		head := "POST / HTTP/1.1\r\nHost: bot.example.com\r\nX-Telegram-Bot-Api-Secret-Token: " + w.Secret +
			"\r\nContent-Type: application/json\r\nContent-Length: 524314\r\nConnection: keep-alive\r\nAccept-Encoding: gzip, deflate\r\n\r\n"
		w.URL = "https://bot.example.com/" + strings.Repeat("x", 4068-len(head)+more)
	}
}

// withCertificate makes a self-signed one, with something else in front.
func withCertificate(t *testing.T, before []byte) func(*Webhook) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"bot.example.com"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	content := append(bytes.Clone(before), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	return func(w *Webhook) { w.Certificate = content }
}
