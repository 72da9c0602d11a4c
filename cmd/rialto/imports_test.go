package main

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// commerceLayers lists the packages of commerce from the bottom up. A package
// imports only layers below its own, and beside it what commerceSideways names.
var commerceLayers = [][]string{
	{"money", "schema", "outbox", "guard", "mail", "cursor", "crash", "gather"},
	{"account", "catalog", "show", "ledger", "delivery", "chain"},
	{"stock", "price", "payment", "order", "community"},
	{"drop", "checkout", "outage"},
	{"social", "payout"},
	{"insight", "verify"},
	{"api"},
}

var commerceSideways = map[string][]string{
	"outbox": {"schema", "crash", "gather"},
	"guard":  {"schema"},
	"mail":   {"schema", "outbox", "crash"},
	"show":   {"account", "catalog"},
	"price":  {"stock"},
}

// libraryHomes says where a library that shapes the design may be imported.
// Tests of a room may use what the room's own protocol needs.
var libraryHomes = []struct {
	library string
	homes   []string
}{
	{"github.com/pion/webrtc/", []string{"media/peer", "media/cascade", "media/client", "media/mediatest", "cmd/rialto/bench"}},
	{"github.com/gorilla/websocket", []string{"realtime/ws", "realtime/client"}},
	{"github.com/wneessen/go-mail", []string{"commerce/mail"}},
	{"github.com/jackc/pgx/", []string{"commerce", "cmd"}},
	{"github.com/redis/go-redis/", []string{"realtime/bus", "commerce/stock", "commerce/drop", "commerce/social", "commerce/guard", "cmd"}},
}

// httpHomes are the rooms that speak HTTP. The two clients call servers and
// answer nobody.
var httpHomes = []string{"media/whip", "media/client", "realtime/ws", "realtime/client", "commerce/api", "commerce/payment", "web", "cmd"}

func under(dir string, homes ...string) bool {
	return slices.ContainsFunc(homes, func(home string) bool { return dir == home || strings.HasPrefix(dir, home+"/") })
}

func area(dir string) string {
	first, _, _ := strings.Cut(dir, "/")
	return first
}

func checkImports(s source) []string {
	var found []string
	for _, imported := range s.imports {
		if why := importBreach(s, imported); why != "" {
			found = append(found, fmt.Sprintf("%s imports %s: %s", s.path, imported, why))
		}
	}
	return found
}

func importBreach(s source, imported string) string {
	if local, ok := strings.CutPrefix(imported, modulePath+"/"); ok {
		return localBreach(s, local)
	}
	if s.test {
		return "" // a test may look at a room through any library
	}
	for _, rule := range libraryHomes {
		if strings.HasPrefix(imported, rule.library) && !under(s.dir, rule.homes...) {
			return "it belongs to " + strings.Join(rule.homes, ", ")
		}
	}
	if imported == "net/http" && !under(s.dir, httpHomes...) {
		return "HTTP belongs to " + strings.Join(httpHomes, ", ")
	}
	return ""
}

func localBreach(s source, local string) string {
	testRoom := strings.HasSuffix(path.Base(s.dir), "test")
	if strings.HasSuffix(path.Base(local), "test") && !s.test && !testRoom {
		return "test packages are for tests alone"
	}
	if under(local, "cmd/rialto/embedded") && (s.test || testRoom) {
		return ""
	}
	from, to := area(s.dir), area(local)
	if from == "cmd" {
		return embeddedBreach(s, local)
	}
	if from != to {
		return "areas never import each other; cmd/rialto/bridge joins them"
	}
	if from == "commerce" {
		return layerBreach(s, local, testRoom)
	}
	if s.dir == from && !s.test {
		return "the root of an area imports no sub-package"
	}
	return ""
}

// embeddedBreach keeps the embedded stores free of every area, so that the
// tests of all areas may use them.
func embeddedBreach(s source, local string) string {
	if under(s.dir, "cmd/rialto/embedded") && !under(local, "cmd/rialto/embedded") {
		return "embedded imports no area"
	}
	return ""
}

func layerBreach(s source, local string, testRoom bool) string {
	if s.test || testRoom || local == "commerce" {
		return ""
	}
	from, to := commerceRoom(s.dir), commerceRoom(local)
	if from == to {
		return ""
	}
	if from == "" {
		return "the root of commerce imports no sub-package"
	}
	low, high := commerceLayer(to), commerceLayer(from)
	if high < 0 {
		return "the package stands in no layer; add it to commerceLayers"
	}
	if low < high || slices.Contains(commerceSideways[from], to) {
		return ""
	}
	return fmt.Sprintf("layer %d does not import layer %d", high, low)
}

func commerceRoom(dir string) string {
	rest, _ := strings.CutPrefix(dir, "commerce/")
	if rest == dir {
		return ""
	}
	room, _, _ := strings.Cut(rest, "/")
	return room
}

func commerceLayer(room string) int {
	return slices.IndexFunc(commerceLayers, func(layer []string) bool { return slices.Contains(layer, room) })
}
