package ws

import (
	"bytes"
	"compress/flate"
	"io"
	"sync"
)

// inflater inflates one message after the other. It is large.
type inflater struct {
	from bytes.Reader
	out  io.ReadCloser // a flate.Resetter
	most io.LimitedReader
}

var inflaters = sync.Pool{New: func() any { return &inflater{out: flate.NewReader(bytes.NewReader(nil))} }}

// endOfMessage is what a sender leaves away (RFC 7692 section 7.2.2), and an
// empty last block, so that the reader sees an end.
const endOfMessage = "\x00\x00\xff\xff\x01\x00\x00\xff\xff"

// inflate makes plain of what was said, up to the limit of a message and one
// byte more.
func (in *inbox) inflate() ([]byte, error) {
	f := inflaters.Get().(*inflater)
	defer inflaters.Put(f)
	in.said = append(in.said, endOfMessage...)
	f.from.Reset(in.said)
	defer f.from.Reset(nil)
	if err := f.out.(flate.Resetter).Reset(&f.from, nil); err != nil {
		return nil, err
	}
	f.most = io.LimitedReader{R: f.out, N: MaxMessage + 1}
	out := bytes.NewBuffer(in.plain[:0])
	_, err := out.ReadFrom(&f.most)
	in.plain = out.Bytes()
	return in.plain, err
}
