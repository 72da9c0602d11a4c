package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/rialto-live/rialto/commerce"
)

const maxDemoBody = 1 << 20

// demoPerson is a browser of one of the demo people.
type demoPerson struct {
	url  string
	http *http.Client
}

// enter signs somebody in, or up.
func (p *demoPerson) enter(ctx context.Context, who demoAccount) error {
	credentials := map[string]any{"email": who.Email, "password": demoPassword}
	err := p.call(ctx, http.MethodPost, "/sessions", credentials, nil)
	if problem := (&apiProblem{}); !errors.As(err, &problem) || problem.Status != http.StatusUnauthorized {
		return err
	}
	return p.call(ctx, http.MethodPost, "/accounts", map[string]any{
		"id": commerce.NewID[commerce.AccountID](), "email": who.Email, "name": who.Name, "password": demoPassword, "roles": who.Roles,
	}, nil)
}

// apiProblem is a refusal of our own API (RFC 9457).
type apiProblem struct {
	Status       int
	Code, Detail string
}

func (p *apiProblem) Error() string { return fmt.Sprintf("%d %s: %s", p.Status, p.Code, p.Detail) }

// call makes one request of the API and reads the answer into out.
func (p *demoPerson) call(ctx context.Context, method, path string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, method, p.url+"/api/v1"+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	if in == nil {
		r.Body, r.ContentLength = http.NoBody, 0
	} else {
		r.Header.Set("Content-Type", "application/json")
	}
	resp, err := p.http.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxDemoBody))
	if err != nil {
		return err
	}
	if resp.StatusCode >= http.StatusBadRequest {
		problem := &apiProblem{Status: resp.StatusCode}
		_ = json.Unmarshal(text, problem) // what cannot be read has its status at least
		return problem
	}
	if out == nil || len(text) == 0 {
		return nil
	}
	return json.Unmarshal(text, out)
}
