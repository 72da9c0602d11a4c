package embedded

import (
	"context"
	"errors"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// stoppedAll says whether every process of a family is stopped, or none is.
func stoppedAll(t *testing.T, pids []int) (all, none bool) {
	t.Helper()
	all, none = true, true
	for _, pid := range pids {
		stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
		if err != nil {
			continue // it has ended
		}
		_, fields, _ := strings.Cut(string(stat), ") ")
		if strings.HasPrefix(fields, "T") {
			none = false
		} else {
			all = false
		}
	}
	return all, none
}

// A paused store keeps its connections and answers nothing; resumed, it answers what was asked.
func TestPausedStoresAnswerNothingAndGoOn(t *testing.T) {
	b := startBoth(t, t.TempDir(), "program")
	conn := connect(t, b.pg.DSN())
	exec1(t, conn, "CREATE TABLE kept AS SELECT 42 AS n")
	o, err := redis.ParseURL(b.rd.URL())
	if err != nil {
		t.Fatal(err)
	}
	rd := redis.NewClient(o)
	defer rd.Close()
	if err := rd.Set(t.Context(), "kept", "42", 0).Err(); err != nil {
		t.Fatal(err)
	}
	pids := append(family(t, b.pg.PID()), b.rd.PID())
	if err := errors.Join(b.pg.Pause(), b.rd.Pause()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "every process is stopped", func() bool { all, _ := stoppedAll(t, pids); return all })
	answers := make(chan error, 2)
	go func() { answers <- rd.Do(context.Background(), "PING").Err() }()
	go func() {
		var n int
		answers <- conn.QueryRow(context.Background(), "SELECT n FROM kept").Scan(&n)
	}()
	waiting := 2
	select {
	case err := <-answers:
		t.Errorf("a store that is paused answers, or not: %v", err)
		waiting--
	case <-time.After(200 * time.Millisecond): // what is stopped cannot
	}
	if err := errors.Join(b.pg.Resume(), b.rd.Resume(), b.pg.Resume(), b.rd.Resume()); err != nil {
		t.Fatal(err)
	}
	for range waiting {
		if err := <-answers; err != nil {
			t.Errorf("what was asked meanwhile: %v", err)
		}
	}
	eventually(t, "no process is stopped", func() bool { _, none := stoppedAll(t, pids); return none })
	b.checkKept(t)
	if err := errors.Join(b.rd.Kill(), b.rd.Resume()); err != nil {
		t.Errorf("one that has ended: %v", err)
	}
}
