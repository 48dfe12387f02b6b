// Package args reads the arguments of a Caddyfile subdirective. Its errors name the field,
// the file and the line, and never hold a secret.
package args

import (
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/dustin/go-humanize"

	"github.com/caddy-telegram/telegramwebhook/internal/telegram"
)

// Vanished is added to the error of a missing argument.
const Vanished = "; a {$NAME} whose variable is not set leaves nothing"

// One reads a field that takes exactly one argument.
func One(d *caddyfile.Dispenser, field string) (string, error) {
	if !d.NextArg() || d.Val() == "" {
		return "", d.Errf("%s: needs a value%s", field, Vanished)
	}
	arg := d.Val()
	if d.NextArg() {
		return "", d.Errf("%s: has more than one value; write it without blanks, or in quotes", field)
	}
	return arg, nil
}

// None returns an error if the line has another argument.
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

// Several reads a field that takes one argument or more. The error names them by what.
func Several(d *caddyfile.Dispenser, field, what string) ([]string, error) {
	values := d.RemainingArgs()
	if len(values) == 0 {
		return nil, d.Errf("%s: needs %s%s", field, what, Vanished)
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

// Duration is a duration, or Off: "off" in JSON as in a Caddyfile.
type Duration caddy.Duration

// Off is a duration that was turned off.
const Off Duration = -1

// UnmarshalJSON satisfies json.Unmarshaler.
func (d *Duration) UnmarshalJSON(b []byte) error {
	var arg string
	if json.Unmarshal(b, &arg) != nil {
		return (*caddy.Duration)(d).UnmarshalJSON(b)
	}
	if arg == "off" {
		*d = Off
		return nil
	}
	wait, err := caddy.ParseDuration(arg)
	if err != nil {
		return errors.New(notDuration(arg))
	}
	*d = Duration(wait)
	return nil
}

// ReadDuration reads a field that takes a duration or "off".
func ReadDuration(d *caddyfile.Dispenser, field string) (Duration, error) {
	if _, err := One(d, field); err != nil {
		return 0, err
	}
	return ParseDuration(d, field)
}

// ParseDuration reads the argument at which the dispenser is: a duration or "off".
func ParseDuration(d *caddyfile.Dispenser, field string) (Duration, error) {
	arg := d.Val()
	if arg == "off" {
		return Off, nil
	}
	wait, err := caddy.ParseDuration(arg)
	if err != nil || wait <= 0 {
		return 0, d.Errf("%s: %s", field, notDuration(arg))
	}
	return Duration(wait), nil
}

// notDuration returns the reason why an argument is not a duration above 0.
func notDuration(arg string) string {
	if _, err := strconv.Atoi(arg); err == nil && strings.Trim(arg, "-0") != "" {
		return telegram.Quote(arg) + " has no unit; write a duration such as 5s, or off"
	}
	if _, err := caddy.ParseDuration(arg); err == nil {
		return telegram.Quote(arg) + " is not above 0; write a duration such as 5s, or off"
	}
	return telegram.Quote(arg) + ` is neither "off" nor a duration such as 5s`
}

// Unknown returns the error of an option that does not exist. It names one that may be
// mistyped, but not one that may be a secret in the wrong place.
func Unknown(d *caddyfile.Dispenser, option, of string, known ...string) error {
	plain := func(s string) string { return strings.NewReplacer("_", "", "-", "").Replace(strings.ToLower(s)) }
	for _, k := range known {
		if plain(k) == plain(option) {
			return d.Errf("unrecognized option %s; did you mean %s?", option, k)
		}
	}
	if len(option) > 20 || strings.Trim(option, "abcdefghijklmnopqrstuvwxyz_") != "" {
		return d.Errf("unrecognized option of %s", of)
	}
	return d.Errf("unrecognized option %s of %s", option, of)
}
