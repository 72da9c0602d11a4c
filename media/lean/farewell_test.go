package lean

import (
	"bytes"
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// flights are what a client says after a handshake.
var (
	repeated = []byte{kindChangeCipherSpec, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9, 0, 1, 1}
	goodbye  = []byte{kindAlert, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 9, 0, 2, 1, 0}
)

func TestLostLastFlightIsSentAgain(t *testing.T) {
	own := newCertificate(t)
	p := newPair(t, fingerprintOf(own))
	lost := false
	p.wire.down = func(b []byte) {
		if b[0] == kindChangeCipherSpec && !lost {
			lost = true
			return
		}
		p.wire.deliver(b)
	}
	p.shake(context.Background(), t, clientOptions(own)...)
	c := p.finish(t)
	if !lost {
		t.Fatal("nothing was lost")
	}
	converse(t, c)
}

func TestLastFlightIsSentAgainOnlySoOften(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &farewell{last: [][]byte{{1}, {2}}, notify: []byte{3}}
		var sent [][]byte
		write := func(b []byte) { sent = append(sent, b) }
		f.again(repeated, write)
		f.again(repeated, write)
		time.Sleep(resendEvery - 1)
		f.again(repeated, write)
		if len(sent) != 2 {
			t.Fatalf("%d datagrams, want the two of one flight", len(sent))
		}
		time.Sleep(time.Nanosecond)
		f.again(repeated, write)
		if len(sent) != 4 {
			t.Fatalf("%d datagrams, want those of two flights", len(sent))
		}
		for range 2 * maxResends {
			time.Sleep(resendEvery)
			f.again(repeated, write)
		}
		if len(sent) != 2*maxResends {
			t.Errorf("%d datagrams, want %d", len(sent), 2*maxResends)
		}
	})
}

func TestGoodbyeIsAHint(t *testing.T) {
	f := &farewell{last: [][]byte{{1}}, notify: []byte{3}}
	never := func([]byte) { t.Error("something was sent") }
	clear := bytes.Clone(goodbye)
	clear[4] = 0
	hello := append([]byte{kindHandshake, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 13, messageClientHello, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1}, 0)
	for name, c := range map[string]struct {
		b    []byte
		want bool
	}{
		"alert": {goodbye, true}, "alert in clear": {clear, false}, "nothing": {nil, false},
		"cut off": {goodbye[:14], false}, "client hello": {hello, false},
		"data": {append([]byte{23}, goodbye[1:]...), false}, "not DTLS": {[]byte("GET / HTTP/1.1\r\n"), false},
	} {
		if got := f.again(c.b, never); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	resent := false
	if got := f.again(append(bytes.Clone(repeated), goodbye...), func([]byte) { resent = true }); !got || !resent {
		t.Errorf("both in one datagram: goodbye %v, resent %v", got, resent)
	}
}

func TestClientUnderstandsTheFarewell(t *testing.T) {
	c := shakeHands(t)
	read := make(chan error)
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() {
		_, err := c.client.Read(make([]byte, 64))
		read <- err
	})
	c.farewell.close(c.wire.write)
	c.farewell.close(c.wire.write)
	if err := <-read; err == nil {
		t.Error("the client read data")
	}
}
