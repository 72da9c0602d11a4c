package main

import (
	"context"

	"github.com/rialto-live/rialto/commerce/api"
)

// roomKinds is what realtime says and is asked over a show's socket, for the
// API's document: commerce, which makes the document, does not know realtime.
var roomKinds = api.Room{}

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
