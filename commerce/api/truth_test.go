package api_test

import (
	"bytes"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/rialto-live/rialto/commerce/api"
)

// truth holds what is answered in all of these tests against the document.
type truth struct {
	document any
	compiler *jsonschema.Compiler
	paths    map[string]*regexp.Regexp // by the path as the document has it

	mu      sync.Mutex
	schemas map[string]*jsonschema.Schema // guarded by mu
}

var theTruth = sync.OnceValues(func() (*truth, error) {
	text, err := api.Document("test", api.Room{})
	if err != nil {
		return nil, err
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	h := &truth{document: document, compiler: jsonschema.NewCompiler(), paths: map[string]*regexp.Regexp{}, schemas: map[string]*jsonschema.Schema{}}
	h.compiler.AssertFormat()
	parameter := regexp.MustCompile(`\\\{[a-z]+\\\}`)
	for path := range at(document, "paths").(map[string]any) {
		h.paths[path] = regexp.MustCompile("^" + parameter.ReplaceAllString(regexp.QuoteMeta(path), "[^/]+") + "$")
	}
	return h, h.compiler.AddResource("openapi.json", document)
})

// operation finds what the document says of a request; a fixed path goes before one with a parameter.
func (h *truth) operation(method, path string) (name string, operation any) {
	for candidate, pattern := range h.paths {
		if pattern.MatchString(path) && (name == "" || !strings.Contains(candidate, "{") || strings.Count(candidate, "{") < strings.Count(name, "{")) {
			if found := at(h.document, "paths", candidate, strings.ToLower(method)); found != nil {
				name, operation = candidate, found
			}
		}
	}
	return name, operation
}

func (h *truth) schema(pointer string) (*jsonschema.Schema, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if s := h.schemas[pointer]; s != nil {
		return s, nil
	}
	s, err := h.compiler.Compile("openapi.json#" + pointer)
	h.schemas[pointer] = s
	return s, err
}

// check says what is wrong with an answer, by the document.
func (h *truth) check(t *testing.T, method, path string, r reply) {
	t.Helper()
	path, _, _ = strings.Cut(path, "?")
	name, operation := h.operation(method, api.Base+path)
	if operation == nil {
		return // no operation answered
	}
	status := strconv.Itoa(r.status)
	if at(operation, "responses", status) == nil {
		if status = "default"; r.status < 400 {
			t.Errorf("%s %s: the answer %d is not described", method, name, r.status)
			return
		}
	}
	kind, _, _ := strings.Cut(r.header.Get("Content-Type"), ";")
	described := at(operation, "responses", status, "content", kind, "schema")
	if !strings.HasSuffix(kind, "json") {
		return
	}
	if described == nil {
		t.Errorf("%s %s: an answer of %s is not described", method, name, kind)
		return
	}
	escape := strings.NewReplacer("~", "~0", "/", "~1", "{", "%7B", "}", "%7D")
	pointer := "/paths/" + escape.Replace(name) + "/" + strings.ToLower(method) + "/responses/" + status + "/content/" + escape.Replace(kind) + "/schema"
	schema, err := h.schema(pointer)
	if err != nil {
		t.Fatal(err)
	}
	body, err := jsonschema.UnmarshalJSON(bytes.NewReader(r.raw))
	if err == nil {
		err = schema.Validate(body)
	}
	if err != nil {
		t.Errorf("%s %s %d is not as described: %v\n%s", method, name, r.status, err, r.raw)
	}
}

func TestTheTruthCanFail(t *testing.T) {
	h, err := theTruth()
	if err != nil {
		t.Fatal(err)
	}
	inner := &testing.T{}
	h.check(inner, http.MethodGet, "/me", reply{status: 200, header: http.Header{"Content-Type": {"application/json"}}, raw: []byte(`{"subject":"gst_x"}`)})
	if !inner.Failed() {
		t.Error("half an answer passes")
	}
}
