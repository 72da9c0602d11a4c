package main

import (
	"context"

	"github.com/rialto-live/rialto/commerce/api"
	"github.com/rialto-live/rialto/commerce/outbox"
	"github.com/rialto-live/rialto/realtime/bus"
	"github.com/rialto-live/rialto/realtime/chat"
)

// What realtime takes and says without a type of its own.
type (
	viewersSet struct {
		Count int `json:"count" minimum:"0" doc:"People watching; the show's hosts are not counted"`
	}
	chatSay struct {
		Text string `json:"text" minLength:"1" doc:"At most 200 characters. What begins with / is a command of the host and the moderators"`
	}
	heartsSend struct {
		Count int `json:"count" minimum:"1" maximum:"20"`
	}
)

// roomKinds is what realtime says and is asked over a show's socket, for the
// API's document: commerce, which makes the document, does not know realtime.
var roomKinds = api.Room{
	Events: []outbox.EventKind{
		{Type: bus.ViewersEvent, Class: outbox.Latest, Unversioned: true, Data: viewersSet{}, About: "How many are watching, on all nodes."},
		{Type: chat.TypeLine, Class: outbox.Sampled, Data: chat.Line{}, About: "A line of the chat. Pages tell lines apart by their id."},
		{Type: chat.TypeHearts, Class: outbox.Sampled, Data: chat.Hearts{}, About: "Hearts since the last of these events."},
	},
	Calls: calls(map[string]api.CallKind{
		chat.CallSay:    {Params: chatSay{}, Reply: chat.Said{}, About: "Say a line in the show's chat. Repeated with the same call id it is the same line."},
		chat.CallHearts: {Params: heartsSend{}, About: "Send hearts. Nothing is answered but that they came, so pages give no id."},
	}),
}

// calls are those of chat, described.
func calls(described map[string]api.CallKind) []api.CallKind {
	var all []api.CallKind
	for _, c := range chat.Calls() {
		kind := described[c.Name] // nothing is known of a call that is new: the document's test says so
		kind.Name, kind.Codes = c.Name, c.Codes
		all = append(all, kind)
	}
	return all
}

// runOpenAPI needs no store and no settings, so that types can be made of the
// document wherever the program can be built.
func runOpenAPI(_ context.Context, args []string, at terminal) error {
	if err := parseFlags(newFlags("openapi"), args, at); err != nil {
		return err
	}
	document, err := api.Document(version(), roomKinds)
	if err != nil {
		return err
	}
	_, err = at.out.Write(document)
	return err
}
