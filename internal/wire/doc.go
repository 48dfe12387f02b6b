// Package wire is HTTP as Telegram speaks it to a webhook: the bytes of a
// request, the connection on which they go, and what is read from the answer.
//
// It writes its requests itself, since net/http's client would add headers,
// speak HTTP/2 and skip 1xx responses, none of which Telegram does.
package wire
