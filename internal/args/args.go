// Package args reads the arguments of a Caddyfile subdirective. Its errors say
// which field is wrong, in which file and line, and never hold a secret.
package args

import (
	"math"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/dustin/go-humanize"

	"github.com/caddy-telegram/telegramwebhook/internal/telegram"
)

// One reads a field that takes exactly one argument.
func One(d *caddyfile.Dispenser, field string) (string, error) {
	if !d.NextArg() || d.Val() == "" {
		return "", d.Errf("%s: needs a value", field)
	}
	arg := d.Val()
	return arg, None(d, field)
}

// None reports what stands on the line besides.
func None(d *caddyfile.Dispenser, field string) error {
	if d.NextArg() {
		return d.Errf("%s: has one argument too many", field)
	}
	return nil
}

// Switch reads a field that takes on, off, or nothing for on.
func Switch(d *caddyfile.Dispenser, field string) (bool, error) {
	if !d.NextArg() {
		return true, nil
	}
	arg := d.Val()
	if arg != "on" && arg != "off" {
		return false, d.Errf("%s: %s is neither \"on\" nor \"off\"", field, telegram.Quote(arg))
	}
	return arg == "on", None(d, field)
}

// Several reads a field that takes one argument or more. What it takes is said in
// the error.
func Several(d *caddyfile.Dispenser, field, what string) ([]string, error) {
	values := d.RemainingArgs()
	if len(values) == 0 {
		return nil, d.Errf("%s: needs %s", field, what)
	}
	return values, nil
}

// Number reads a field that takes a whole number.
func Number(d *caddyfile.Dispenser, field, what string, least, most int) (int, error) {
	arg, err := One(d, field)
	if err != nil {
		return 0, err
	}
	n, err := strconv.Atoi(arg)
	if err != nil || n < least || n > most {
		return 0, d.Errf("%s: %s is not a %s from %d to %d", field, telegram.Quote(arg), what, least, most)
	}
	return n, nil
}

// Size reads a field that takes a number of bytes.
func Size(d *caddyfile.Dispenser, field string) (int64, error) {
	arg, err := One(d, field)
	if err != nil {
		return 0, err
	}
	size, err := humanize.ParseBytes(arg)
	if err != nil || size == 0 || size > math.MaxInt64 {
		return 0, d.Errf("%s: %s is not a size such as 1MiB", field, telegram.Quote(arg))
	}
	return int64(size), nil
}

// Off is a duration that was turned off.
const Off caddy.Duration = -1

// Duration reads a field that takes a duration or "off".
func Duration(d *caddyfile.Dispenser, field string) (caddy.Duration, error) {
	if _, err := One(d, field); err != nil {
		return 0, err
	}
	return ParseDuration(d, field)
}

// ParseDuration reads the argument at which the dispenser is: a duration or "off".
func ParseDuration(d *caddyfile.Dispenser, field string) (caddy.Duration, error) {
	arg := d.Val()
	if arg == "off" {
		return Off, nil
	}
	wait, err := caddy.ParseDuration(arg)
	if err != nil || wait <= 0 {
		return 0, d.Errf("%s: %s is neither \"off\" nor a duration such as 5s", field, telegram.Quote(arg))
	}
	return caddy.Duration(wait), nil
}

// Unknown returns the error of a subdirective that does not exist. It names one that may be
// mistyped, but not one that may be a secret in the wrong place.
func Unknown(d *caddyfile.Dispenser, option, of string) error {
	if len(option) > 20 || strings.Trim(option, "abcdefghijklmnopqrstuvwxyz_") != "" {
		return d.Errf("unknown subdirective of %s", of)
	}
	return d.Errf("unknown subdirective %q of %s", option, of)
}
