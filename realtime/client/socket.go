package client

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gorilla/websocket"

	"github.com/rialto-live/rialto/realtime"
)

// socket is a WebSocket to a room.
type socket struct{ conn *websocket.Conn }

type joinMessage struct {
	Type   string          `json:"t"`
	Room   realtime.RoomID `json:"room"`
	Epoch  string          `json:"epoch,omitempty"`
	Offset int64           `json:"o,omitempty"`
	Token  string          `json:"token,omitempty"`
}

func (c *Client) openSocket(ctx context.Context) (line, error) {
	conn, answer, err := c.dialer.DialContext(ctx, c.cfg.URL, c.cfg.Header)
	if err != nil && answer != nil {
		return nil, refusal(answer)
	}
	if err != nil {
		return nil, fmt.Errorf("dial: %w", err)
	}
	conn.SetReadLimit(maxFrame)
	_ = conn.SetReadDeadline(time.Now().Add(joinTimeout))
	at := c.Position()
	_ = conn.SetWriteDeadline(time.Now().Add(writeTimeout))
	if err := conn.WriteJSON(joinMessage{"join", c.cfg.Room, at.Epoch, at.Offset, c.cfg.Token}); err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("join: %w", err)
	}
	return socket{conn}, nil
}

func (s socket) read() ([]byte, error) {
	_, data, err := s.conn.ReadMessage()
	var closed *websocket.CloseError
	if errors.As(err, &closed) {
		return nil, &closedError{realtime.Code(closed.Code), closed.Text}
	}
	if err != nil {
		return nil, fmt.Errorf("socket: %w", err)
	}
	_ = s.conn.SetReadDeadline(time.Now().Add(silence))
	return data, nil
}

// write is the only one who does: pongs are control frames, which gorilla lets
// anybody write.
func (s socket) write(message said) error {
	_ = s.conn.SetWriteDeadline(time.Now().Add(writeTimeout))
	if err := s.conn.WriteJSON(message); err != nil {
		return fmt.Errorf("%w: %w", ErrNotJoined, err)
	}
	return nil
}

func (s socket) end()  { _ = s.conn.Close() }
func (s socket) wait() {}
