package probe

import (
	"bytes"

	"github.com/caddy-telegram/telegramwebhook/internal/wire"
)

type destination int

const (
	nowhereNear destination = iota
	unanswered
	emptiness
	nobodyKnows
	toTheBot
)

// leads says where a request without the secret got to. Its answer is compared
// with the bot's own, if that is known, and with that of a path which nobody has
// set up: a site with a page on every path is none of the bot's business. What is
// not like the bot's, and a refusal or a redirect, is not from the bot.
func (a *audit) leads(answer *wire.Answer) destination {
	switch {
	case answer.Err != nil:
		return unanswered
	case same(answer, a.none):
		return nowhereNear
	case 300 <= answer.Status && answer.Status < 400:
		return nowhereNear
	case a.known() && same(answer, a.right):
		return toTheBot
	case 400 <= answer.Status && answer.Status < 500:
		if a.known() && alike(answer, a.right) {
			return nobodyKnows
		}
		return nowhereNear
	case a.elsewhere.Err == nil && !same(answer, a.elsewhere):
		return toTheBot
	case a.delivers() && answer.Status < 500 && shape(answer) != shape(a.right):
		return nowhereNear
	case empty(answer):
		return emptiness
	}
	return nobodyKnows
}

// known reports whether the right secret has led to the bot: its answer is a
// delivery, or else one that nothing but the bot gives.
func (a *audit) known() bool {
	switch {
	case a.right == nil || a.right.Err != nil:
		return false
	case a.right.Delivered():
		return true
	}
	return !alike(a.right, a.none) && !alike(a.right, a.elsewhere)
}

// same reports whether two answers are probably from the same program.
func same(x, y *wire.Answer) bool { return alike(x, y) && bytes.Equal(x.Body, y.Body) }

// alike reports whether they may be.
func alike(x, y *wire.Answer) bool { return x.Status == y.Status && shape(x) == shape(y) }

// empty reports whether an answer is one that a server gives where there is
// nothing, as Caddy does: a delivery with nothing in it, that has not come by way
// of a proxy.
func empty(answer *wire.Answer) bool {
	return answer.Delivered() && len(answer.Body) == 0 && answer.Header.Get("Content-Type") == "" && answer.Header.Get("Via") == ""
}
