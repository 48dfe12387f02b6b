package integration

import (
	"errors"
	"net/http"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-telegram/telegramwebhook/integration/caddytest"
)

func TestMain(m *testing.M) { caddytest.Main(m) }

// Two handlers that fail, to stand behind the gate in tests.
func init() {
	caddy.RegisterModule(testPanic{})
	caddy.RegisterModule(testError{})
	httpcaddyfile.RegisterHandlerDirective("test_panic", func(httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
		return testPanic{}, nil
	})
	httpcaddyfile.RegisterHandlerDirective("test_error", func(httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
		return testError{}, nil
	})
	for _, name := range []string{"test_panic", "test_error"} {
		httpcaddyfile.RegisterDirectiveOrder(name, httpcaddyfile.Before, "respond")
	}
}

type testPanic struct{}

func (testPanic) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.test_panic", New: func() caddy.Module { return testPanic{} }}
}

func (testPanic) ServeHTTP(http.ResponseWriter, *http.Request, caddyhttp.Handler) error {
	panic("test panic")
}

type testError struct{}

func (testError) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.test_error", New: func() caddy.Module { return testError{} }}
}

func (testError) ServeHTTP(http.ResponseWriter, *http.Request, caddyhttp.Handler) error {
	return caddyhttp.Error(http.StatusTeapot, errors.New("test error"))
}
