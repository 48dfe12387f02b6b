package telegramtest

import (
	"encoding/json"
	"time"
)

// poll is a getUpdates that waits for an update. A nil poll is none.
type poll struct {
	arrived chan struct{} // holds a value when an update came
	ended   chan string   // holds why another call ended it
}

func (p *poll) notify() {
	if p == nil {
		return
	}
	select {
	case p.arrived <- struct{}{}:
	default:
	}
}

// endPoll answers the getUpdates that waits, if one does, with a conflict.
func (b *bot) endPoll(why string) {
	if b.poll != nil {
		b.poll.ended <- why
		b.poll = nil
	}
}

// getUpdates is the other way to get updates, which excludes a webhook.
func (a *API) getUpdates(q *query) *reply {
	a.mu.Lock()
	b := a.bot(q.token)
	if b.reg.url != "" || b.copying {
		a.mu.Unlock()
		return a.conflict(q, b, "can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first")
	}
	b.setTypes(q)
	offset := q.int("offset", 0, -1<<31, 1<<31-1)
	limit, timeout := q.int("limit", 100, 1, 100), q.int("timeout", 0, 0, 50)
	now := a.opt.Now()
	if since := now.Sub(b.lastPoll); offset == b.lastOffset && since < 3*time.Second {
		// A caller that asks for the same again is slowed down.
		timeout = max(timeout, 3)
		if since < 500*time.Millisecond {
			limit = 1
		}
	}
	b.lastPoll, b.lastOffset = now, offset
	b.sender.confirm(offset)
	updates := b.sender.waiting(limit)
	if len(updates) > 0 || timeout == 0 {
		a.mu.Unlock()
		return okReply(updates, "")
	}

	b.endPoll("terminated by other getUpdates request; make sure that only one bot instance is running")
	p := &poll{make(chan struct{}, 1), make(chan string, 1)}
	b.poll = p
	a.mu.Unlock()

	select {
	case <-p.arrived:
	case <-a.opt.After(time.Duration(timeout) * time.Second):
	case <-q.ctx.Done():
	case why := <-p.ended:
		return a.conflict(q, b, why)
	}

	a.mu.Lock()
	if b.poll != p {
		a.mu.Unlock()
		return a.conflict(q, b, <-p.ended)
	}
	defer a.mu.Unlock()
	b.poll = nil
	return okReply(b.sender.waiting(limit), "")
}

// conflict answers a call that another one excludes. All but the first within 3 s
// are answered late.
func (a *API) conflict(q *query, b *bot, why string) *reply {
	const pause = 3 * time.Second
	a.mu.Lock()
	now := a.opt.Now()
	late := now.Before(b.nextConflict)
	if !late {
		b.nextConflict = now.Add(pause)
	}
	a.mu.Unlock()
	if late {
		select {
		case <-a.opt.After(pause):
		case <-q.ctx.Done():
		}
	}
	return conflictReply(why)
}

// maxAnswer is from where on the updates of an answer have to wait for the next.
const maxAnswer = 4 << 20

// waiting returns the oldest updates that have not expired.
func (s *Sender) waiting(limit int) []json.RawMessage {
	s.mu.Lock()
	defer s.mu.Unlock()
	updates, size := []json.RawMessage{}, 0
	for e := s.updates.Front(); e != nil && len(updates) < limit; {
		u, next := e.Value.(*update), e.Next()
		if u.expired(s.opt.Now(), 0) {
			s.stats.Expired++
			s.drop(e)
		} else if size += u.size + 50; size >= maxAnswer {
			break
		} else {
			updates = append(updates, json.RawMessage(u.body))
		}
		e = next
	}
	return updates
}

// confirm forgets the updates before an id, or all but so many for a negative
// number. An id that is far behind those of the queue confirms nothing.
func (s *Sender) confirm(offset int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if int64(offset) > s.tail+10 {
		return
	}
	for e := s.updates.Front(); e != nil; {
		next := e.Next()
		if offset < 0 && s.updates.Len() > -offset || e.Value.(*update).ID < int64(offset) {
			s.drop(e)
		}
		e = next
	}
}

// forget drops everything that is queued.
func (s *Sender) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.updates.Len() > 0 {
		s.drop(s.updates.Front())
	}
}
