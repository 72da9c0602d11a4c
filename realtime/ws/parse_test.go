package ws

import (
	"encoding/json"
	"reflect"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"
)

// What is read quickly reads the same as JSON.
func FuzzParse(f *testing.F) {
	for _, text := range []string{
		`{"t":"call","id":"a1","call":"hold.put","d":{"hold":"hld_1","quantity":1,"unit":4900}}`, `{"t":"call","call":"chat.say","d":{"text":"hello"}}`,
		`{"t":"call"}`, `{"t":"call","d":{}}`, `{"t":"call","d":{},"id":"b"}`, `{"t":"call","id":"a","id":"b","d":{"a":1},"d":{}}`,
		`{"t":"call","d":{"a":01}}`, `{"t":"call","d":{"a":1,}}`, `{"t":"call","d":{,"a":1}}`, `{"t":"call","d":{"a":"\u0041"}}`, `{"t":"call","d":{"a":1.5}}`,
		`{"t":"call","d":{"a":1}`, `{"t":"call","d":{"a":1}} `, `{"t":"call","T":"join"}`, `{"t":"call","id":"` + "\xff" + `"}`, `{"t":"ping","c":1}`, ``,
		`{"t":"call","id":"é"}`, `{"t":"call","d":{"a" :1}}`, `{"t":"call","d":{"a":}}`, `{"t":"call","d":{"a"}}`, `{"t":"call","d":{"a":"b}}`, `{"t":"call","d":{"a":"1}}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		quick, ok := parseCall(text)
		if !ok {
			return
		}
		var whole message
		if !utf8.Valid(text) {
			t.Fatalf("%q is no text", text)
		}
		if err := json.Unmarshal(text, &whole); err != nil || !reflect.DeepEqual(quick, whole) {
			t.Errorf("%q reads %+v, as JSON %+v, %v", text, quick, whole, err)
		}
	})
}

// Taps and lines of a chat are read quickly, as pages write them.
func TestWhatIsParsedQuickly(t *testing.T) {
	for text, want := range map[string]bool{
		`{"t":"call","id":"7","call":"hold.put","d":{"hold":"hld_1","variant":"var_1","quantity":1,"unit":4900}}`: true,
		`{"t":"call","call":"chat.say","d":{"text":"hello there"}}`:                                               true,
		`{"t":"call","id":"7","call":"chat.say","d":{"text":"é"}}`:                                                false,
		`{"t":"call","id":"7","call":"chat.say","d":{"to":{"id":"1"}}}`:                                           false,
		`{"t":"ping","c":1}`: false,
	} {
		if _, ok := parseCall([]byte(text)); ok != want {
			t.Errorf("%s: %v", text, ok)
		}
	}
}

// What a page has said is its own: the room in which it came is used again.
func TestParsedDataIsKept(t *testing.T) {
	text := []byte(`{"t":"call","id":"7","call":"x","d":{"a":"b"}}`)
	m, ok := parse(text)
	clear(text)
	if !ok || string(m.Data) != `{"a":"b"}` || m.ID != "7" || m.Call != "x" {
		t.Errorf("%v %+v", ok, m)
	}
}

// Calls that begin together end together, none of them late and none much early.
func TestCallsEndInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls callTime
		first, began := calls.within(CallTimeout), time.Now()
		time.Sleep(CallTimeout/callSlices - 1)
		if calls.within(CallTimeout) != first {
			t.Error("two calls of a slice have two contexts")
		}
		time.Sleep(time.Nanosecond)
		next := calls.within(CallTimeout)
		if next == first {
			t.Error("a call of the next slice has the same context")
		}
		<-first.Done()
		if took := time.Since(began); took != CallTimeout || next.Err() != nil {
			t.Errorf("a call ends after %s; the next: %v", took, next.Err())
		}
		<-next.Done()
	})
}
