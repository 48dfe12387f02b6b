package telegram

import "regexp"

// anyToken finds what has the form of a bot token, in a path or its escaped form.
var anyToken = regexp.MustCompile(`(?i)[0-9]+(?::|%3a)[a-z0-9_-]{30,}`)

// HideTokens returns s without anything that has the form of a bot token.
func HideTokens(s string) string { return anyToken.ReplaceAllString(s, "[hidden]") }
