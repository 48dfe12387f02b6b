// Package telegramtest stands in for Telegram in tests. It has two halves that
// work alone or joined.
//
// A [Sender] delivers updates to a webhook as Telegram does: the same bytes on
// the wire and the same reading of the answer, which are those of package telegram,
// and the same retries.
//
// An [API] answers the Bot API methods that concern webhooks, with Telegram's
// order of checks, texts, codes and side effects. What is registered there is
// what the bot's Sender delivers to.
//
// Nothing is kept outside the values, so any number of stand-ins may run at
// once.
package telegramtest
