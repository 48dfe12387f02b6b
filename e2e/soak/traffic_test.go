package soak

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddy-telegram/telegramwebhook/integration/caddytest"
	"github.com/caddy-telegram/telegramwebhook/internal/telegramtest"
)

// traffic is what became of the updates.
type traffic struct {
	sent    atomic.Int64
	works   sync.Map // update ids to how often the bot has done the work
	met     sync.Map // update ids to how often the bot has met them
	through atomic.Int64

	// Attempts that did not deliver. Of those refused, sighted is how many met
	// nodes that had been able to read storage for a while.
	cut, refused, sighted, putOff, other atomic.Int64
}

// send lets updates happen in 80 chats, so that all of Telegram's 40 connections
// are in use. Some are edits, some are large.
func (s *soak) send(ctx context.Context) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if s.api.Sender(caddytest.BotToken).Stats().Pending > 2000 {
			continue // Telegram would keep more of them, but the soak has an end
		}
		id := s.traffic.sent.Add(1)
		text := "genuine"
		if id%50 == 0 {
			text = strings.Repeat(text, 15_000)
		}
		update := telegramtest.Message(id, id%80+1, text)
		if id%7 == 0 {
			update = bytes.Replace(update, []byte(`"message":`), []byte(`"edited_message":`), 1)
		}
		s.api.Send(caddytest.BotToken, update)
	}
}

func (s *soak) attempt(a telegramtest.Attempt) {
	if a.Expired {
		s.t.Errorf("update %d was given up after try %d with %d", a.UpdateID, a.Try, a.Status)
	}
	if a.Delivered {
		return
	}
	switch a.Status {
	case 0:
		s.traffic.cut.Add(1)
	case http.StatusForbidden:
		s.traffic.refused.Add(1)
		if !s.known.isBlind() {
			s.traffic.sighted.Add(1)
		}
	case http.StatusServiceUnavailable:
		s.traffic.putOff.Add(1)
	default:
		s.traffic.other.Add(1)
	}
}

// soakBot can be restarted at its address.
type soakBot struct {
	s       *soak
	address string
	server  *http.Server
}

func startSoakBot(s *soak) *soakBot {
	b := &soakBot{s: s, address: fmt.Sprintf("127.0.0.1:%d", caddytest.FreePort(s.t))}
	b.start()
	s.t.Cleanup(b.stop)
	return b
}

func (b *soakBot) start() {
	l, err := net.Listen("tcp", b.address)
	if err != nil {
		b.s.t.Fatal(err)
	}
	b.server = &http.Server{Handler: http.HandlerFunc(b.handle)}
	go b.server.Serve(l)
}

// stop hangs up on everybody.
func (b *soakBot) stop() { _ = b.server.Close() }

// The bot's moods when it first meets an update.
const (
	hangsUp = iota
	hangsUpAfterTheWork
	fails
	isSlow
	moods = 400 // of which it is in a good one in the rest
)

func (b *soakBot) handle(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // cut off; it comes again
	}
	if strings.Contains(string(body), forgedText) {
		b.s.traffic.through.Add(1)
		return
	}
	id := b.check(r, body)
	mood := moods
	if count(&b.s.traffic.met, id) == 1 {
		mood = rand.New(rand.NewPCG(b.s.seed, uint64(id))).IntN(moods)
	}
	switch mood {
	case hangsUp:
		panic(http.ErrAbortHandler)
	case fails:
		w.WriteHeader(http.StatusInternalServerError)
		return
	case isSlow:
		<-time.After(soakPatient + time.Second)
	}
	count(&b.s.traffic.works, id)
	if mood == hangsUpAfterTheWork {
		panic(http.ErrAbortHandler)
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, caddytest.MethodBody)
}

// check compares an update with what the gate says of it, and returns its id.
func (b *soakBot) check(r *http.Request, body []byte) (id int64) {
	var u struct {
		ID      int64 `json:"update_id"`
		Message struct{ Chat struct{ ID int64 } }
		Edited  struct{ Chat struct{ ID int64 } } `json:"edited_message"`
	}
	if err := json.Unmarshal(body, &u); err != nil {
		b.s.t.Errorf("the bot has got %.100q: %v", body, err)
	}
	edited := ""
	if u.Edited.Chat.ID != 0 {
		edited = "yes"
	}
	got := r.Header.Get("X-Update") + " " + r.Header.Get("X-Chat") + " " + r.Header.Get("X-Edited")
	if want := fmt.Sprintf("%d %d %s", u.ID, u.Message.Chat.ID+u.Edited.Chat.ID, edited); got != want {
		b.s.t.Errorf("the gate says of an update %q, want %q", got, want)
	}
	if r.Header[caddytest.SecretHeader] != nil {
		b.s.t.Error("the bot has got the secret")
	}
	return u.ID
}

// count adds one to what is counted under an id.
func count(m *sync.Map, id int64) int64 {
	n, _ := m.LoadOrStore(id, new(atomic.Int64))
	return n.(*atomic.Int64).Add(1)
}
