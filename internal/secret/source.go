package secret

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/caddy-telegram/telegramwebhook/internal/telegram"
)

// Source provides a webhook's secrets.
type Source interface {
	// Match reports whether value is accepted now. It takes the same time for all wrong values, and allocates nothing.
	Match(value string) bool

	// Known reports whether the secrets are known. It takes no lock.
	Known() bool

	// Current returns the secret that is registered; empty if the secrets are not known yet.
	Current() string

	// Refresh is called for each request with an unknown secret, forgeries included. Match may accept the secret
	// afterwards. If not, doubt tells whether it may be in force all the same.
	Refresh(context.Context) (doubt bool)

	// Advance begins a rotation if one is due or rotate is set, and returns the secret to register now. The function
	// registered reports whether Telegram has a secret; it is nil if that is unknown. The caller of Advance, Registered
	// and Forget holds the bot's lock.
	Advance(ctx context.Context, rotate bool, registered func(value string) bool) (value string, err error)

	// Registered is called after each attempt that leaves Telegram with a value. It reports
	// whether that has ended a rotation.
	Registered(ctx context.Context, value string) (rotated bool, err error)

	// Forget removes the secrets of a webhook that was deleted.
	Forget(context.Context) error

	// Status describes the secrets without their values.
	Status() Status
}

// Status describes a webhook's secrets.
type Status struct {
	Source   string    // kept or configured
	Made     time.Time // when the current secret was made; zero if unknown
	Due      time.Time // when the next rotation is due; zero for never
	Weak     bool      // the secret is short enough to be guessed
	Rotating bool      // the next secret is accepted, and not the current one yet
	NextStep time.Time // when Advance is to be called again; zero for never
}

// Configured holds the secrets of a configuration.
type Configured struct {
	values []string // the first is the one to register
	set    *Set
}

// NewConfigured resolves and checks the secrets of a field, at least one, and warns of weak ones.
func NewConfigured(field string, configured []string, logger *zap.Logger) (*Configured, error) {
	values, accepted := make([]string, len(configured)), make([]kept, len(configured))
	for i, c := range configured {
		value, err := Resolve(c, CheckAccepted)
		if err != nil {
			return nil, err
		}
		values[i], accepted[i].Value = value, value
		if len(value) < StrongLen {
			logger.Warn("weak secret", zap.String("field", field), zap.Int("length", len(value)), zap.Int("want_at_least", StrongLen))
		}
	}
	return &Configured{values, NewSet(accepted...)}, nil
}

// Match satisfies Source.
func (c *Configured) Match(value string) bool { return c.set.Match(value) }

// Known satisfies Source.
func (*Configured) Known() bool { return true }

// Current satisfies Source.
func (c *Configured) Current() string { return c.values[0] }

// Refresh satisfies Source.
func (*Configured) Refresh(context.Context) (doubt bool) { return false }

// Advance satisfies Source.
func (c *Configured) Advance(context.Context, bool, func(string) bool) (string, error) {
	return c.Current(), nil
}

// Registered satisfies Source.
func (*Configured) Registered(context.Context, string) (bool, error) { return false, nil }

// Forget satisfies Source.
func (*Configured) Forget(context.Context) error { return nil }

// Status satisfies Source.
func (c *Configured) Status() Status {
	return Status{Source: "configured", Weak: len(c.Current()) < StrongLen}
}

// nameable matches the placeholders that an error may quote. Other text in braces may be a secret itself, also behind
// env: for one who has written the value in place of the variable's name.
var nameable = regexp.MustCompile(`\{(?:env\.[A-Za-z_][A-Za-z0-9_]*|file\.[^{}]*)\}`)

// Literal reports whether a configured value holds no placeholder.
func Literal(configured string) bool { return !strings.Contains(configured, "{") }

var shellVariable = regexp.MustCompile(`^\$\{?([A-Z_][A-Z0-9_]*)\}?$`)

// CheckConfigured checks a configured value before its placeholders are replaced: that it is
// not what was meant for one, and with check, unless that is nil, if it has none.
func CheckConfigured(configured string, check func(value string) error) error {
	if name := shellVariable.FindStringSubmatch(configured); name != nil {
		return fmt.Errorf("%s is written as for a shell; write {env.%s}", configured, name[1])
	}
	if strings.Count(configured, "{") != strings.Count(configured, "}") {
		return errors.New("has a brace without its counterpart; write a placeholder as {env.NAME} or {file.PATH}")
	}
	if check != nil && Literal(configured) {
		return check(configured)
	}
	return nil
}

// Replace replaces the placeholders of a configured value. The error never holds the value.
func Replace(configured string) (string, error) {
	if err := CheckConfigured(configured, nil); err != nil {
		return "", err
	}
	value, err := caddy.NewReplacer().ReplaceOrErr(configured, true, true)
	if err == nil {
		return value, nil
	}
	for _, placeholder := range nameable.FindAllString(configured, -1) {
		if _, err := caddy.NewReplacer().ReplaceOrErr(placeholder, true, true); err != nil {
			return "", fmt.Errorf("%s is empty or cannot be read; set it before Caddy starts", telegram.HideTokens(placeholder))
		}
	}
	return "", errors.New("holds a placeholder that is not known when the configuration loads; use {env.NAME} or {file.PATH}")
}

// Resolve is Replace with a check of the result. Its error names the placeholder.
func Resolve(configured string, check func(value string) error) (string, error) {
	value, err := Replace(configured)
	if err != nil {
		return "", err
	}
	err = check(value)
	if placeholder := nameable.FindString(configured); err != nil && placeholder != "" {
		return "", fmt.Errorf("the value of %s %w", telegram.HideTokens(placeholder), err)
	}
	return value, err
}

// ResolveForwarded returns the secret for the bot: the configured value, or else the first configured secret.
func ResolveForwarded(configured string, secrets Source) (string, error) {
	if configured != "" {
		return Resolve(configured, CheckForwarded)
	}
	if first, ok := secrets.(*Configured); ok {
		return first.Current(), nil
	}
	return "", errors.New("fetched updates have no secret to hand on; give it a value, or set secret")
}

// File is a configured value with the placeholder of a file, which Caddy reads only when the configuration loads.
type File struct {
	Placeholder string
	configured  string
	sum         [sha256.Size]byte
}

// Files returns those of the configured values that hold the placeholder of a file.
func Files(configured ...string) (files []File) {
	for _, c := range configured {
		if value, err := Replace(c); err == nil && strings.Contains(c, "{file.") {
			files = append(files, File{telegram.HideTokens(nameable.FindString(c)), c, sha256.Sum256([]byte(value))})
		}
	}
	return files
}

// Problem describes a change of the file since the configuration was loaded, and the remedy;
// both are empty if there is none.
func (f File) Problem() (problem, advice string) {
	value, err := Replace(f.configured)
	switch {
	case err != nil:
		return f.Placeholder + " is empty or cannot be read any more", "Put the file back: the next reload or restart fails without it."
	case sha256.Sum256([]byte(value)) != f.sum:
		return "the value of " + f.Placeholder + " has changed since the configuration was loaded", `Run "caddy reload --force" to put it in force.`
	}
	return "", ""
}

// WarnOfLiteral warns of a field with a secret in clear.
func WarnOfLiteral(logger *zap.Logger, field string, values ...string) {
	if slices.ContainsFunc(values, func(value string) bool { return value != "" && Literal(value) }) {
		logger.Warn("secret in clear in the configuration, and so on disk and in the debug log",
			zap.String("field", field), zap.String("remedy", "use {env.NAME} or {file.PATH}"))
	}
}

// Interface guards
var (
	_ Source = (*Configured)(nil)
	_ Source = (*Kept)(nil)
)
