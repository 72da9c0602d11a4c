package mailtest

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	_ "embed"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	// Domain is where the server's people are.
	Domain = "example.com"
	// User and Password sign in, over TLS alone.
	User, Password = "shop", "a-password-of-this-test"

	exim     = "/usr/sbin/exim4"
	patience = 30 * time.Second
	look     = 10 * time.Millisecond
)

//go:embed exim.conf
var template string

// The shell ends the server when its own input ends: a test binary that is killed leaves nothing behind, and the kernel
// would not tell a program that changes its user of its parent's death.
const guardian = `"$0" -C "$1" -bdf & server=$!; read -r end; kill "$server"; wait "$server"`

// Server is a mail server that may be started and stopped.
type Server struct {
	tb    testing.TB
	dir   string
	port  int
	roots *x509.CertPool

	end  io.Closer // the guardian's input, while it runs
	cmd  *exec.Cmd
	said *output
}

// New prepares a server that is not running yet; its port is reserved for nobody meanwhile.
func New(tb testing.TB) *Server {
	tb.Helper()
	if _, err := os.Stat(exim); err != nil {
		tb.Fatalf("mailtest: %v; the tests need Exim (Debian: apt-get install --no-install-recommends exim4-daemon-light)", err)
	}
	s := &Server{tb: tb, roots: x509.NewCertPool()}
	// Not tb.TempDir, whose parents are the test's alone: started by root, the server works as a user of its own.
	var err error
	s.dir, err = os.MkdirTemp("", "rialto-mail-")
	s.must(err)
	tb.Cleanup(func() { s.must(os.RemoveAll(s.dir)) })
	s.must(os.Chmod(s.dir, 0o755))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	s.must(err)
	s.port = l.Addr().(*net.TCPAddr).Port
	_ = l.Close()
	for _, name := range []string{"spool", "mail"} {
		s.must(os.Mkdir(filepath.Join(s.dir, name), 0o777))
		s.must(os.Chmod(filepath.Join(s.dir, name), 0o777)) // whatever the umask is
	}
	s.certificate()
	config := strings.NewReplacer("DIR", s.dir, "EXIM", exim, "PORT", strconv.Itoa(s.port), "DOMAIN", Domain, "USER", User, "PASSWORD", Password).Replace(template)
	if uid := os.Getuid(); uid != 0 {
		// Only its own user may run a server; root lets it become the one that the package has made for it.
		config = fmt.Sprintf("exim_user = %d\nexim_group = %d\n%s", uid, os.Getgid(), config)
	}
	s.write("exim.conf", config)
	tb.Cleanup(s.Stop)
	tb.Cleanup(func() {
		if tb.Failed() {
			log, _ := os.ReadFile(filepath.Join(s.dir, "spool", "mainlog")) // it may never have begun
			tb.Logf("what the mail server noted:\n%s", log)
		}
	})
	return s
}

// Start runs the server and returns when it greets.
func (s *Server) Start() {
	s.tb.Helper()
	s.said = &output{}
	s.cmd = exec.Command("/bin/sh", "-c", guardian, exim, filepath.Join(s.dir, "exim.conf"))
	s.cmd.Stdout, s.cmd.Stderr = s.said, s.said
	end, err := s.cmd.StdinPipe()
	s.must(err)
	s.must(s.cmd.Start())
	s.end = end
	s.await("a greeting", func() bool {
		conn, err := net.DialTimeout("tcp", s.Addr(), time.Second)
		if err != nil {
			return false
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(patience)) // a failure shows in the read
		greeting := make([]byte, 4)
		_, err = io.ReadFull(conn, greeting)
		return err == nil && string(greeting) == "220 "
	})
}

// Stop ends the server, if it runs, and waits.
func (s *Server) Stop() {
	if s.end == nil {
		return
	}
	_ = s.end.Close() // it ends by that
	s.end = nil
	_ = s.cmd.Wait() // by a signal, as it should
}

// Addr is where the server listens.
func (s *Server) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }

// URL is the server in the clear, for SMTP_URL.
func (s *Server) URL() string { return "smtp://" + s.Addr() + "?tls=none" }

// SecureURL demands STARTTLS and signs in.
func (s *Server) SecureURL() string {
	return "smtp://" + User + ":" + Password + "@" + s.Addr() + "?tls=starttls"
}

// Roots trusts the server's certificate.
func (s *Server) Roots() *x509.CertPool { return s.roots }

// Close lets in only those who sign in over TLS from now on.
func (s *Server) Close() { s.write("closed", "") }

// Know lets in what comes for later@.
func (s *Server) Know() { s.write("known", "") }

// certificate makes one for 127.0.0.1.
func (s *Server) certificate() {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	s.must(err)
	parent := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "mx." + Domain}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, parent, parent, &key.PublicKey, key)
	s.must(err)
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	s.roots.AppendCertsFromPEM(cert)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	s.must(err)
	s.write("cert.pem", string(cert))
	s.write("key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})))
}

// write leaves a file that the server's user can read.
func (s *Server) write(name, text string) {
	s.tb.Helper()
	s.must(os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o644))
}

func (s *Server) must(err error) {
	s.tb.Helper()
	if err != nil {
		s.tb.Fatalf("mailtest: %v", err)
	}
}

func (s *Server) await(what string, done func() bool) {
	s.tb.Helper()
	tick := time.NewTicker(look)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); !done(); <-tick.C {
		if time.Now().After(deadline) {
			s.tb.Fatalf("mailtest: %s: not in %s; the server said %q", what, patience, fmt.Sprint(s.said))
		}
	}
}

// output is what the server says to its starter.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}
