package outbox

// EventKind says what one type of event is, for the API's document and for the tests that hold what is sent
// against it. Each package lists the kinds that it writes in a variable Kinds.
type EventKind struct {
	Type  string
	Class Class
	// Key is the key of all events of this type. Or KeyMember names the member of the data that is the key. Or
	// there is no key.
	Key, KeyMember string
	// Unversioned: no row of ours, but a value that is only ever the newest heard.
	Unversioned bool
	Data        any // a zero value of the payload's type
	About       string
}
