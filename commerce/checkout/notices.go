package checkout

import "context"

func (s *Service) drain(ctx context.Context) error { <-ctx.Done(); return nil }
