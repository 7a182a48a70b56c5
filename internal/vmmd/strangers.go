package vmmd

import (
	"fmt"
	"sync"
	"time"
)

// strangers bounds what those whose chain leads nowhere can write into the audit
// log: they must not push out of it what others have done. The zero value is
// ready.
type strangers struct {
	mu      sync.Mutex
	room    int       // records that may be written now
	filled  time.Time // when room was last what it says
	silence int       // refusals that were not recorded
}

// Refusals of strangers that are recorded: so many at once, and then one each so
// often. The log has space for some 300,000 records.
const (
	strangersAtOnce = 100
	strangersPause  = 10 * time.Second
)

// may reports whether a refusal at that time may be recorded, and what to add to
// it about those that were not.
func (s *strangers) may(now time.Time) (note string, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.filled.IsZero() {
		s.room, s.filled = strangersAtOnce, now
	}
	if more := int(now.Sub(s.filled) / strangersPause); more > 0 {
		s.room = min(s.room+more, strangersAtOnce)
		s.filled = s.filled.Add(time.Duration(more) * strangersPause)
	}
	if s.room == 0 {
		s.silence++
		return "", false
	}
	s.room--
	if s.silence > 0 {
		note = fmt.Sprintf(" (%d more refusals of strangers before this one are not recorded)", s.silence)
		s.silence = 0
	}
	return note, true
}
