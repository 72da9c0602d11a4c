//go:build crashpoints

package main

import (
	"fmt"
	"os"

	"github.com/rialto-live/rialto/commerce/crash"
)

// A program of this build dies where CRASH_AT says, like checkout.begun:3. It is for tests alone.
func init() {
	at, set := os.LookupEnv("CRASH_AT")
	if !set {
		return
	}
	if err := crash.Arm(at); err != nil {
		fmt.Fprintln(os.Stderr, "rialto: CRASH_AT:", err)
		os.Exit(exitUsage)
	}
}
