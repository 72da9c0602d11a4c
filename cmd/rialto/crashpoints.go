//go:build crashpoints

package main

import (
	"fmt"
	"os"
	"time"

	"github.com/rialto-live/rialto/commerce/crash"
)

// A program of this build dies where CRASH_AT says, like checkout.begun:3, and its clock is ahead by CLOCK_SKEW, like -2s.
// It is for tests alone.
func init() {
	if at, set := os.LookupEnv("CRASH_AT"); set {
		if err := crash.Arm(at); err != nil {
			fmt.Fprintln(os.Stderr, "rialto: CRASH_AT:", err)
			os.Exit(exitUsage)
		}
	}
	if by, set := os.LookupEnv("CLOCK_SKEW"); set {
		skew, err := time.ParseDuration(by)
		if err != nil {
			fmt.Fprintln(os.Stderr, "rialto: CLOCK_SKEW:", err)
			os.Exit(exitUsage)
		}
		clock = func() time.Time { return time.Now().Add(skew) }
	}
}
