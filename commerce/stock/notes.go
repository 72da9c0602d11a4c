package stock

import "slices"

// maxNotes bounds what waits for a gate that cannot be reached. What does not fit is forgotten and counted:
// the gate then knows too few free units until the comparison repairs it, never too many.
const maxNotes = 8 * MaxBatch

// notes is news for the gate that rides on its next call.
type notes struct {
	epoch   int64 // of all of them: news of an older epoch is already part of a newer copy
	settled []tag
	back    []entry
	due     due
	urgent  bool // a unit comes back or a lease is open: do not wait for a tap
}

func (n *notes) any() bool { return len(n.settled) > 0 || len(n.back) > 0 || n.due.known }

// pressing says whether a call should be made for the notes alone.
func (n *notes) pressing() bool { return n.urgent && n.any() }

// add takes news of an epoch and answers how many were lost.
func (n *notes) add(epoch int64, settled []tag, back []entry, d due) (lost int) {
	if epoch < n.epoch {
		return 0 // dead: the newer copy was read after this happened
	}
	if epoch > n.epoch {
		*n = notes{epoch: epoch}
	}
	lost = max(0, len(n.settled)+len(settled)-maxNotes) + max(0, len(n.back)+len(back)-maxNotes)
	n.settled = append(n.settled, settled[:min(len(settled), maxNotes-len(n.settled))]...)
	n.back = append(n.back, back[:min(len(back), maxNotes-len(n.back))]...)
	n.due = n.due.merge(d)
	n.urgent = n.urgent || len(settled) > 0 || len(back) > 0 || d.known
	return lost
}

// take hands over what concerns epoch, at most a batch of each; what concerns an older one is dropped. A tag is settled with
// the last of the units that come back, or after them: until then the leak detector finds them under it.
func (n *notes) take(epoch int64) (settled []tag, back []entry, d due) {
	if n.epoch != epoch {
		if n.epoch < epoch {
			*n = notes{epoch: epoch}
		}
		return nil, nil, due{}
	}
	if back, n.back = cut(n.back); len(n.back) == 0 {
		settled, n.settled = cut(n.settled)
	}
	d, n.due = n.due, due{}
	n.urgent = n.any()
	return settled, back, d
}

// restore takes back what a call could not deliver.
func (n *notes) restore(call gateCall) (lost int) {
	if len(call.settled) == 0 && len(call.back) == 0 && !call.due.known {
		return 0
	}
	if n.epoch > call.epoch {
		return 0
	}
	later := n.due
	n.due = due{}
	lost = n.add(call.epoch, call.settled, call.back, call.due)
	n.due = n.due.merge(later)
	return lost
}

func cut[T any](list []T) (head, rest []T) {
	n := min(len(list), MaxBatch)
	if n == len(list) {
		return list, nil
	}
	return slices.Clip(list[:n]), list[n:]
}
