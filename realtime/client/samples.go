package client

import (
	"encoding/json"

	"github.com/rialto-live/rialto/realtime"
)

// seenLimit is how many ids of sampled events are remembered: more than a
// joined frame repeats.
const seenLimit = 4 * realtime.MaxRecent

// samples knows what was shown already. It belongs to Client.Run.
type samples struct {
	seen  map[string]struct{}
	order []string // of seen, oldest first
}

// news are the events that were not heard before, by the id in their data.
// What has none is always news.
func (s *samples) news(events []realtime.Event) (news []realtime.Event) {
	if s.seen == nil {
		s.seen = map[string]struct{}{}
	}
	for _, e := range events {
		var named struct {
			ID string `json:"id"`
		}
		if json.Unmarshal(e.Data, &named) == nil && named.ID != "" {
			if _, again := s.seen[named.ID]; again {
				continue
			}
			s.remember(named.ID)
		}
		e.Class = realtime.Sampled
		news = append(news, e)
	}
	return news
}

func (s *samples) remember(id string) {
	s.seen[id] = struct{}{}
	s.order = append(s.order, id)
	if len(s.order) > seenLimit {
		delete(s.seen, s.order[0])
		s.order = s.order[1:]
	}
}
