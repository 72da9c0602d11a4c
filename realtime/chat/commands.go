package chat

import (
	"context"
	"strings"

	"github.com/rialto-live/rialto/realtime"
)

// MaxCommand is how long a command may be, in characters, after it was
// cleaned: a poll with all its choices.
const MaxCommand = 800

// isCommand says whether a text that was cleaned is one: it is never said.
func isCommand(text string) bool { return strings.HasPrefix(text, "/") }

// command carries out what somebody in charge wrote into the chat box. What it
// means, and whether they may, is the port's to judge.
func (c *Chat) command(ctx context.Context, from realtime.Caller, text string) (any, error) {
	if c.cfg.Command == nil || from.Role != realtime.RoleHost && from.Role != realtime.RoleModerator {
		return nil, refuse(CodeCommandInvalid, "What begins with / is a command, and those are for the host and the moderators. Begin with something else.")
	}
	now := c.cfg.Now()
	c.mu.Lock()
	wait := c.authorOf(from, now).lines.take(now, linePace)
	c.mu.Unlock()
	if wait > 0 {
		return nil, tooOften(wait)
	}
	did, err := c.cfg.Command(ctx, from, text)
	if err != nil {
		return nil, err
	}
	c.metrics.commands.Inc()
	return Said{Did: did}, nil
}
