package realtime

import "time"

// OnLetGo has f told what a drain hands out: the moment of each viewer's close
// after the beginning, and for how long it is told to wait from then on.
func (h *Hub) OnLetGo(f func(moment, after time.Duration)) { h.letGo = f }
