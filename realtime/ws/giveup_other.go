//go:build !linux

package ws

import (
	"net"
	"time"
)

// giveUpAfter leaves it to the system here: it gives up by itself, only later.
func giveUpAfter(net.Conn, time.Duration) {}
