package secret

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"
)

// named finds the placeholders whose names may be told in an error: they say
// where a secret is kept. Anything else in braces may be a secret itself.
var named = regexp.MustCompile(`\{(?:env|file)\.[^{}]*\}`)

// Literal reports whether a configured value is the secret itself, and not a
// placeholder for it.
func Literal(configured string) bool { return !strings.Contains(configured, "{") }

// Resolve replaces the placeholders of a configured secret and checks the
// result. Its errors never hold a value.
func Resolve(configured string) (string, error) {
	value, err := Replace(configured)
	if err != nil {
		return "", err
	}
	return value, About(configured, Check(value))
}

// Replace replaces the placeholders of a configured value that is kept secret.
func Replace(configured string) (string, error) {
	value, err := caddy.NewReplacer().ReplaceOrErr(configured, true, true)
	if err == nil {
		return value, nil
	}
	for _, name := range named.FindAllString(configured, -1) {
		if _, err := caddy.NewReplacer().ReplaceOrErr(name, true, true); err != nil {
			return "", fmt.Errorf("%s is empty or cannot be read; set it before Caddy starts", name)
		}
	}
	return "", errors.New("holds a placeholder that is not known when the configuration loads; use {env.NAME} or {file.PATH}")
}

// About says in an error about a value where the value comes from.
func About(configured string, err error) error {
	if name := named.FindString(configured); err != nil && name != "" {
		return fmt.Errorf("the value of %s %w", name, err)
	}
	return err
}

// Given is the source of the secrets that a configuration gives. It warns of
// what is weak.
func Given(values []string, logger *zap.Logger) (Source, error) {
	resolved := make([]string, len(values))
	for i, configured := range values {
		value, err := Resolve(configured)
		if err != nil {
			return nil, err
		}
		resolved[i] = value
		if len(value) < StrongLen {
			logger.Warn("weak secret", zap.String("field", "secret"), zap.Int("length", len(value)), zap.Int("want_at_least", StrongLen))
		}
	}
	return NewConfigured(resolved...), nil
}

// WarnOfLiteral warns of a field one of whose values is a secret itself.
func WarnOfLiteral(logger *zap.Logger, field string, values ...string) {
	if slices.ContainsFunc(values, func(value string) bool { return value != "" && Literal(value) }) {
		logger.Warn("secret in clear in the configuration, and so on disk and in the debug log",
			zap.String("field", field), zap.String("remedy", "use {env.NAME} or {file.PATH}"))
	}
}
