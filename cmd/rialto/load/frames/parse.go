package frames

import (
	"bufio"
	"bytes"
	"crypto/sha1" //nolint:gosec // RFC 6455 section 4.2.2 asks for it
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
)

// Opcodes of RFC 6455 section 5.2.
const (
	More   = 0x0 // goes on with the message before
	Text   = 0x1
	Binary = 0x2
	Close  = 0x8
	Ping   = 0x9
	Pong   = 0xA
)

const (
	// MaxFrame bounds the payload of one frame in bytes: twice the largest snapshot of a room.
	MaxFrame = 2 << 20
	// maxAnswer bounds the answer to an upgrade.
	maxAnswer = 16 << 10

	finBit, maskBit = 0x80, 0x80
	guid            = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11" // RFC 6455 section 1.3
)

var (
	errTooLarge = errors.New("a frame is too large")
	errMasked   = errors.New("a server's frame is masked")
)

// frame is the first frame in b: how long it is together with its header. size is 0 while its end is missing.
func frame(b []byte) (op byte, fin bool, payload []byte, size int, err error) {
	if len(b) < 2 {
		return 0, false, nil, 0, nil
	}
	if b[1]&maskBit != 0 {
		return 0, false, nil, 0, errMasked
	}
	header, length := 2, uint64(b[1])
	switch {
	case length == 126 && len(b) >= 4:
		header, length = 4, uint64(binary.BigEndian.Uint16(b[2:]))
	case length == 127 && len(b) >= 10:
		header, length = 10, binary.BigEndian.Uint64(b[2:])
	case length >= 126:
		return 0, false, nil, 0, nil
	}
	if length > MaxFrame {
		return 0, false, nil, 0, errTooLarge
	}
	size = header + int(length)
	if len(b) < size {
		return 0, false, nil, 0, nil
	}
	return b[0] & 0xf, b[0]&finBit != 0, b[header:size], size, nil
}

// masked is a client's frame. Its mask is zero: what it protects from are proxies, and none is on the way.
func masked(op byte, payload []byte) []byte {
	b := append(make([]byte, 0, len(payload)+14), finBit|op)
	switch n := len(payload); {
	case n < 126:
		b = append(b, maskBit|byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, maskBit|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, maskBit|127), uint64(n))
	}
	return append(append(b, 0, 0, 0, 0), payload...)
}

// key is the Sec-WebSocket-Key of a client.
func (c *Crowd) key(index int) string {
	b := binary.BigEndian.AppendUint64(nil, c.salt)
	return base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint64(b, uint64(index)))
}

func (c *Crowd) request(index int) []byte {
	return fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: %s\r\nSec-WebSocket-Version: 13\r\n\r\n",
		c.config.Path, c.config.Host, c.key(index))
}

// Accept is what a server answers to a Sec-WebSocket-Key.
func Accept(key string) string {
	sum := sha1.Sum([]byte(key + guid))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// answer reads the server's answer to the upgrade: how long it is, 0 while its end is missing.
func (c *Crowd) answer(index int, b []byte) (size int, err error) {
	end := bytes.Index(b, []byte("\r\n\r\n"))
	if end < 0 {
		if len(b) > maxAnswer {
			return 0, errors.New("the answer to an upgrade has no end")
		}
		return 0, nil
	}
	response, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(b)), nil)
	if err != nil {
		return 0, fmt.Errorf("the answer to an upgrade: %w", err)
	}
	_ = response.Body.Close() // it is in memory
	switch {
	case response.StatusCode != http.StatusSwitchingProtocols:
		return 0, fmt.Errorf("the server answered %d %s", response.StatusCode, http.StatusText(response.StatusCode))
	case response.Header.Get("Sec-WebSocket-Accept") != Accept(c.key(index)):
		return 0, errors.New("the server has not read the key of the upgrade")
	}
	return end + 4, nil
}
