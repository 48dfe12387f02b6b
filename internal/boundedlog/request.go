package boundedlog

import (
	"net/http"

	"go.uber.org/zap"

	"github.com/caddy-telegram/telegramwebhook/internal/source"
)

// maxLogged is how much of a request's host and path an entry holds: a stranger
// chooses both.
const maxLogged = 256

// Request says who asked for what. The path is given apart: it may have to be
// redacted.
func Request(r *http.Request, path string) []zap.Field {
	return []zap.Field{
		zap.String("client_ip", source.ClientIP(r)),
		zap.String("host", shorten(r.Host)),
		zap.String("path", shorten(path)),
	}
}

func shorten(s string) string {
	if len(s) > maxLogged {
		return s[:maxLogged] + "…"
	}
	return s
}
