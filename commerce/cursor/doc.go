// Package cursor makes and reads the cursors by which all lists are walked.
//
// # Overview
//
// A list is in the order of a time and an id, which together are unique. A page's last element is the cursor of
// the next page: whatever is added or removed meanwhile, a walk meets each element at most once, and each that was
// there all the time exactly once. The text is opaque to clients and names its list, so that a cursor of one list
// is refused by another.
//
// # Concurrency
//
// Functions alone.
//
// # Imports
//
// Nothing of ours.
package cursor
