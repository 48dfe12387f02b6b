package telegram

import (
	"regexp"
	"strconv"
	"strings"
)

// anyToken matches the form of a bot token, in a path or its escaped form.
var anyToken = regexp.MustCompile(`(?i)[0-9]+(?::|%3a)[a-z0-9_-]{30,}`)

// HideTokens returns s without anything that has the form of a bot token.
func HideTokens(s string) string { return anyToken.ReplaceAllString(s, "[hidden]") }

var secretForm = regexp.MustCompile(`^[A-Za-z0-9_-]{16,}$`)

// Quote quotes a wrong argument in an error, unless it may be a secret or a token
// that stands in the wrong place.
func Quote(arg string) string {
	if anyToken.MatchString(arg) || secretForm.MatchString(arg) && strings.Trim(arg, "abcdefghijklmnopqrstuvwxyz_") != "" {
		return "the value"
	}
	return strconv.Quote(arg)
}
