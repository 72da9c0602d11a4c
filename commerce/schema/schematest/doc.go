// Package schematest gives each test a migrated database of its own.
//
// # Overview
//
// The first test of a binary starts a private Postgres, migrates one database and keeps it as the template;
// every test then gets a copy of it (a tenth of a second), dropped with the test. The server ends with the
// binary. Only tests may import it.
//
// # Imports
//
// commerce/schema, cmd/rialto/embedded/embeddedtest.
package schematest
