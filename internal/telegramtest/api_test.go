package telegramtest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

const token = "4839574812:AAFD39kkdpWt3ywyRZergyOLMaJhac60qcA"

// result is an answer of the API, with what its result is in JSON.
type result struct {
	Status      int
	RetryAfter  string
	OK          bool
	Result      json.RawMessage
	ErrorCode   int `json:"error_code"`
	Description string
	Parameters  struct {
		RetryAfter int `json:"retry_after"`
	}
}

// call makes a call as a form, without a network.
func call(t *testing.T, a http.Handler, path string, params ...string) result {
	t.Helper()
	form := make(url.Values)
	for i := 0; i < len(params); i += 2 {
		form.Set(params[i], params[i+1])
	}
	return request(t, a, path, "application/x-www-form-urlencoded", strings.NewReader(form.Encode()))
}

func request(t *testing.T, a http.Handler, path, contentType string, body io.Reader) (r result) {
	t.Helper()
	req := httptest.NewRequestWithContext(t.Context(), "POST", path, body)
	req.Header.Set("Content-Type", contentType)
	req.RemoteAddr = "127.0.0.1:4711"
	return do(t, a, req)
}

func do(t *testing.T, a http.Handler, req *http.Request) (r result) {
	t.Helper()
	w := httptest.NewRecorder()
	a.ServeHTTP(w, req)
	r.Status, r.RetryAfter = w.Code, w.Header().Get("Retry-After")
	if err := json.Unmarshal(w.Body.Bytes(), &r); err != nil {
		t.Fatalf("%v: %q", err, w.Body)
	}
	if got := w.Header().Get("Content-Type"); got != "application/json" {
		t.Errorf("content-type %q", got)
	}
	return r
}

// is checks the code and text of an answer.
func (r result) is(t *testing.T, status int, description string) {
	t.Helper()
	code := 0
	if status != 200 {
		code = status
	}
	if r.Status != status || r.OK != (status == 200) || r.ErrorCode != code || r.Description != description {
		t.Errorf("got %d %d %q, want %d %q", r.Status, r.ErrorCode, r.Description, status, description)
	}
}

// info returns the result of getWebhookInfo in full.
func info(t *testing.T, a http.Handler) string {
	t.Helper()
	r := call(t, a, "/bot"+token+"/getWebhookInfo")
	r.is(t, 200, "")
	return string(r.Result)
}

// newAPI returns an API whose bots are delivered to by pipes.
func newAPI(t *testing.T, p *pipes, o APIOptions) *API {
	if p == nil {
		p = &pipes{answer: func(int, string) string { return ok }}
	}
	if o.Sender.Dial == nil {
		o.Sender.Dial = p.dial
	}
	a := NewAPI(o)
	t.Cleanup(a.Close)
	return a
}

func TestTokens(t *testing.T) {
	a := newAPI(t, nil, APIOptions{Tokens: []string{token}})
	const info = "/getWebhookInfo"
	const other = "4839574813:AAFD39kkdpWt3ywyRZergyOLMaJhac60qcA"
	for path, want := range map[string]struct {
		status int
		text   string
	}{
		"/bot" + token + info:              {200, ""},
		"/bot" + token + "/test" + info:    {200, ""},
		"/bot" + token + "/GETWEBHOOKINFO": {200, ""},
		"/bot" + other + info:              {401, "Unauthorized"},
		"/bot" + other + "/test" + info:    {401, "Unauthorized"},
		"/bot123:short" + info:             {401, "Unauthorized: invalid token specified"},
		"/bot0" + token + info:             {401, "Unauthorized: invalid token specified"},
		"/bot" + token[11:] + info:         {401, "Unauthorized: invalid token specified"},
		"/bot" + token + "!" + info:        {401, "Unauthorized: invalid token specified"},
		"/bot" + token:                     {404, "Not Found"},
		"/" + token + info:                 {404, "Not Found"},
		"/bot" + token + "/fly":            {404, "Not Found: method not found"},
	} {
		call(t, a, path).is(t, want.status, want.text)
	}
	open := newAPI(t, nil, APIOptions{})
	call(t, open, "/bot"+other+info).is(t, 200, "")
	r := call(t, open, "/bot"+other+"/getMe")
	r.is(t, 200, "")
	if !strings.Contains(string(r.Result), `"id":4839574813,`) {
		t.Errorf("got %s", r.Result)
	}
}

// An address may bring 20 new tokens a minute and 600 an hour. Tokens it has
// brought are not counted again, those that are no bot's always are.
func TestFirstCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAPI(t, nil, APIOptions{})
		from := func(address, realIP string, n int) result {
			req := httptest.NewRequest("GET", fmt.Sprintf("/bot%d:AAFD39kkdpWt3ywyRZergyOLMaJhac60qcA/getMe", n), nil)
			req.RemoteAddr = address + ":4711"
			req.Header.Set("X-Real-IP", realIP)
			return do(t, a, req)
		}
		for i := range 20 {
			from("8.8.8.8", "", 1+i).is(t, 200, "")
		}
		limited := from("8.8.8.8", "", 21)
		limited.is(t, 429, "Too Many Requests: retry after 60")
		if limited.RetryAfter != "60" || limited.Parameters.RetryAfter != 60 {
			t.Errorf("got %+v", limited)
		}
		from("8.8.8.8", "", 1).is(t, 200, "")
		from("8.8.4.4", "", 21).is(t, 200, "")
		for i := range 40 {
			from("127.0.0.1", "", 100+i).is(t, 200, "")
		}
		from("127.0.0.1", "8.8.8.8", 22).is(t, 429, "Too Many Requests: retry after 60")
		time.Sleep(time.Minute)
		from("8.8.8.8", "", 22).is(t, 200, "")

		passed := 21
		for i := range 1000 {
			time.Sleep(3500 * time.Millisecond)
			if from("8.8.8.8", "", 1000+i).OK {
				passed++
			}
		}
		if passed != 600 {
			t.Errorf("%d new tokens in an hour", passed)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		a := newAPI(t, nil, APIOptions{Tokens: []string{}})
		for i := range 21 {
			req := httptest.NewRequest("GET", "/bot"+token+"/getMe", nil)
			req.RemoteAddr = "8.8.8.8:1"
			if r := do(t, a, req); r.Status != map[bool]int{true: 401, false: 429}[i < 20] {
				t.Errorf("call %d: %+v", i, r)
			}
		}
	})
}

// The parameters may come in any form.
func TestForms(t *testing.T) {
	var parts bytes.Buffer
	w := multipart.NewWriter(&parts)
	w.WriteField("offset", "-1")
	w.WriteField("allowed_updates", `["poll"]`)
	f, _ := w.CreateFormFile("x", "name")
	f.Write([]byte("content"))
	w.Close()
	path := "/bot" + token + "/getUpdates"
	want := map[string]string{"offset": "-1", "allowed_updates": `["poll"]`}
	for _, test := range []struct{ path, contentType, body string }{
		{path, "application/json; charset=utf-8", `{"offset":-1,"allowed_updates":["poll"],"offset":5}`},
		{path, "application/x-www-form-urlencoded", "offset=-1&allowed_updates=%5B%22poll%22%5D"},
		{path, w.FormDataContentType(), parts.String()},
		{path + "?offset=-1", "application/json", `{"offset":7,"allowed_updates":"[\"poll\"]"}`},
	} {
		a := newAPI(t, nil, APIOptions{})
		request(t, a, test.path, test.contentType, strings.NewReader(test.body)).is(t, 200, "")
		c := a.Calls("getupdates")[0]
		if fmt.Sprint(c.Params) != fmt.Sprint(want) || c.Token != token || c.Method != "getUpdates" || c.Status != 200 {
			t.Errorf("%s: got %+v", test.contentType, c)
		}
		if test.contentType == w.FormDataContentType() && string(c.Files["x"]) != "content" {
			t.Errorf("got files %q", c.Files)
		}
		if got := info(t, a); !strings.Contains(got, `"allowed_updates":["poll"]`) {
			t.Errorf("%s: got %s", test.contentType, got)
		}
	}
	a := newAPI(t, nil, APIOptions{})
	r := request(t, a, path, w.FormDataContentType(), strings.NewReader("--"))
	if r.Status != 400 || len(a.Calls("")) != 0 {
		t.Errorf("half a form: got %+v", r)
	}
	request(t, a, path, w.FormDataContentType(), strings.NewReader("")).is(t, 200, "")
}

// The whole of both halves over real connections: what is registered is what is
// delivered to.
func TestStart(t *testing.T) {
	cert, self := authority{}.issue(t, certTemplate("bot.example.com"))
	w := listen(t, serverConfig(cert))
	a := NewAPI(APIOptions{AllowPort: true, Sender: Options{Dial: w.dial}})
	base, stop := a.Start()
	defer stop()

	var parts bytes.Buffer
	form := multipart.NewWriter(&parts)
	form.WriteField("url", "https://bot.example.com:4443/hook")
	form.WriteField("secret_token", "abc")
	f, _ := form.CreateFormFile("certificate", "cert.pem")
	f.Write(toPEM(self.cert))
	form.Close()
	resp, err := http.Post(base+"/bot"+token+"/setWebhook", form.FormDataContentType(), &parts)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, _ := io.ReadAll(resp.Body); string(body) != `{"ok":true,"result":true,"description":"Webhook was set"}` {
		t.Errorf("got %q", body)
	}
	a.Send(token, Message(7, 1, "hello"))
	wait(t, a.Sender(token))
	w.mu.Lock()
	defer w.mu.Unlock()
	want := string(Request(a.Webhook(token), Message(7, 1, "hello")))
	if got := w.raw.String(); got != want || !strings.Contains(got, "Token: abc\r\n") {
		t.Errorf("got %q, want %q", got, want)
	}
}
