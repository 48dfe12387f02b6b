package telegramtest

import (
	"bytes"
	"mime/multipart"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// upload calls setWebhook with a certificate.
func upload(t *testing.T, a *API, certificate []byte, params ...string) result {
	t.Helper()
	var parts bytes.Buffer
	w := multipart.NewWriter(&parts)
	for i := 0; i < len(params); i += 2 {
		w.WriteField(params[i], params[i+1])
	}
	f, _ := w.CreateFormFile("certificate", "cert.pem")
	f.Write(certificate)
	w.Close()
	return request(t, a, setPath, w.FormDataContentType(), &parts)
}

// A parameter that is not passed is removed, whatever it was.
func TestNotPassedIsRemoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, self := authority{}.issue(t, certTemplate("bot.example.com"))
		a := newAPI(t, nil, APIOptions{})
		upload(t, a, toPEM(self.cert), "url", hookURL, "secret_token", "a", "max_connections", "7", "ip_address", "1.1.1.1").is(t, 200, "Webhook was set")
		if w := a.Webhook(token); w.RootCAs == nil || w.Secret != "a" || w.IPAddress != "1.1.1.1" || w.MaxConnections != 7 {
			t.Errorf("got %+v", w)
		}
		if got := info(t, a); !strings.Contains(got, `"has_custom_certificate":true`) || !strings.Contains(got, `"ip_address":"1.1.1.1"`) {
			t.Errorf("got %s", got)
		}
		time.Sleep(time.Second)
		call(t, a, setPath, "url", hookURL).is(t, 200, "Webhook was set")
		if w := a.Webhook(token); !reflect.DeepEqual(w, Webhook{URL: hookURL, MaxConnections: 40}) {
			t.Errorf("got %+v", w)
		}
	})
}

// With a certificate the webhook is always made anew. It may also be attached
// under another name.
func TestCertificateAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, self := authority{}.issue(t, certTemplate("bot.example.com"))
		a := newAPI(t, nil, APIOptions{})
		for range 2 {
			upload(t, a, toPEM(self.cert), "url", hookURL).is(t, 200, "Webhook was set")
			time.Sleep(time.Second)
		}
		call(t, a, setPath, "url", hookURL, "certificate", string(toPEM(self.cert))).is(t, 200, "Webhook was set")
		if got := info(t, a); !strings.Contains(got, `"has_custom_certificate":false`) {
			t.Errorf("not uploaded as a file: %s", got)
		}

		time.Sleep(time.Second)
		var parts bytes.Buffer
		w := multipart.NewWriter(&parts)
		w.WriteField("url", hookURL)
		w.WriteField("certificate", "attach://mine")
		f, _ := w.CreateFormFile("mine", "cert.pem")
		f.Write(toPEM(self.cert))
		w.Close()
		request(t, a, setPath, w.FormDataContentType(), &parts).is(t, 200, "Webhook was set")
		if roots := a.Webhook(token).RootCAs; roots == nil || !roots.Equal(pool(self.cert)) {
			t.Error("the attached certificate is not used")
		}
	})
}
