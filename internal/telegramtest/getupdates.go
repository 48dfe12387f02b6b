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
	if b.reg.url != "" {
		a.mu.Unlock()
		return conflictReply("can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first")
	}
	b.setTypes(q)
	b.sender.confirm(q.int("offset", 0, -1<<31, 1<<31-1))
	limit, timeout := q.int("limit", 100, 1, 100), q.int("timeout", 0, 0, 50)
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
		return conflictReply(why)
	}

	a.mu.Lock()
	defer a.mu.Unlock()
	if b.poll != p {
		return conflictReply(<-p.ended)
	}
	b.poll = nil
	return okReply(b.sender.waiting(limit), "")
}

// waiting returns the oldest updates that have not expired.
func (s *Sender) waiting(limit int) []json.RawMessage {
	s.mu.Lock()
	defer s.mu.Unlock()
	updates := []json.RawMessage{}
	for e := s.updates.Front(); e != nil && len(updates) < limit; {
		u, next := e.Value.(*update), e.Next()
		if u.expired(s.opt.Now(), 0) {
			s.stats.Expired++
			s.drop(e)
		} else {
			updates = append(updates, json.RawMessage(u.body))
		}
		e = next
	}
	return updates
}

// confirm forgets the updates before an id, or all but so many for a negative
// number.
func (s *Sender) confirm(offset int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for e := s.updates.Front(); e != nil; {
		next := e.Next()
		if offset < 0 && s.updates.Len() > -offset || e.Value.(*update).id < int64(offset) {
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
