//go:build !race

package lean

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/srtp/v3"
)

func TestSealAllocsNothing(t *testing.T) {
	for _, profile := range sealProfiles {
		s, _, _ := newKeys(t, profile)
		dst := make([]byte, 0, 1500)
		for _, repair := range []bool{false, true} {
			p := outgoingPacket(1, 100, 1200)
			p.Repair = repair
			seal := func() {
				p.Header.SequenceNumber++
				if _, err := s.sealRTP(dst, p); err != nil {
					t.Fatal(err)
				}
			}
			if n := testing.AllocsPerRun(1000, seal); n > 0 {
				t.Errorf("%v, repair %v: %v allocations", profile, repair, n)
			}
		}
	}
}

// maxSecrets is the most heap that one session's keys and farewell may take.
const maxSecrets = 12 << 10

func TestSecretsAllocLittle(t *testing.T) {
	const sessions = 50
	type kept struct {
		s *secrets
		f *farewell
	}
	all := make([]kept, 0, sessions)
	own := newCertificate(t)
	shake := func() {
		p := newPair(t, fingerprintOf(own))
		p.shake(context.Background(), t, clientOptions(own)...)
		if p.err != nil || p.clientErr != nil {
			t.Fatal(p.err, p.clientErr)
		}
		converse(t, p.secured(t))
		all = append(all, kept{p.secrets, p.farewell})
		_ = p.client.Close()
	}
	n := heapOf(func() {
		for range sessions {
			shake()
		}
	})
	t.Logf("%d bytes for each session", n/sessions)
	if n/sessions > maxSecrets {
		t.Errorf("%d bytes for each session", n/sessions)
	}
	runtime.KeepAlive(all)
}

// heapOf is how many bytes more are in use after f.
func heapOf(f func()) uint64 {
	inUse := func() uint64 {
		for range 3 {
			runtime.GC() // pools keep things over one collection
		}
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := inUse()
	f()
	return max(inUse(), before) - before
}

// BenchmarkSeal compares sealing with bare AES-GCM of the same bytes, in turns.
func BenchmarkSeal(b *testing.B) {
	s, _, _ := newKeys(b, srtp.ProtectionProfileAeadAes128Gcm)
	other, _, _ := newKeys(b, srtp.ProtectionProfileAeadAes128Gcm)
	cm, _, _ := newKeys(b, srtp.ProtectionProfileAes128CmHmacSha1_80)
	block, err := aes.NewCipher(make([]byte, 16))
	if err != nil {
		b.Fatal(err)
	}
	bare, err := cipher.NewGCM(block)
	if err != nil {
		b.Fatal(err)
	}
	p := outgoingPacket(1, 100, 1200)
	dst, plain, nonce := make([]byte, 1500), make([]byte, 1500), make([]byte, 12)
	var header rtp.Header
	count := uint64(0)
	ways := []struct {
		name string
		seal func()
	}{
		{"bare", func() {
			count++
			binary.BigEndian.PutUint64(nonce[4:], count)
			bare.Seal(dst[12:12], nonce, p.Payload, plain[:12])
		}},
		{"ours", func() {
			p.Header.SequenceNumber++
			_, _ = s.sealRTP(dst, p)
		}},
		{"pion", func() {
			p.Header.SequenceNumber++
			n, _ := p.Header.MarshalTo(dst)
			n += copy(dst[n:], p.Payload)
			_, _ = other.reports.EncryptRTP(dst, dst[:n], &header)
		}},
		{"ours, AES-CM", func() {
			p.Header.SequenceNumber++
			_, _ = cm.sealRTP(dst, p)
		}},
	}
	const turn = 2000
	took := make([]time.Duration, len(ways))
	rounds := 0
	for b.Loop() {
		rounds++
		for i, way := range ways {
			start := time.Now()
			for range turn {
				way.seal()
			}
			took[i] += time.Since(start)
		}
	}
	for i, way := range ways {
		b.ReportMetric(float64(took[i].Nanoseconds())/float64(rounds*turn), "ns/"+way.name[:min(4, len(way.name))]+map[bool]string{true: "-cm"}[i == 3])
	}
	b.ReportMetric(float64(took[1])/float64(took[0]), "ours/bare")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkHandshake is server and client together: a CPU profile tells them apart by the label "side".
func BenchmarkHandshake(b *testing.B) {
	own := newCertificate(b)
	cfg := newDTLSConfig(newCertificate(b))
	options := clientOptions(own)
	b.ReportAllocs()
	var before, after syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &before)
	n := 0
	for b.Loop() {
		n++
		w := newCable()
		p := &pair{h: newHandshake(cfg, fingerprintOf(own), w.write), wire: w}
		w.up = p.h.take
		p.shake(context.Background(), b, options...)
		if p.err != nil || p.clientErr != nil {
			b.Fatal(p.err, p.clientErr)
		}
		_ = p.client.Close()
	}
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &after)
	cpu := after.Utime.Nano() + after.Stime.Nano() - before.Utime.Nano() - before.Stime.Nano()
	b.ReportMetric(float64(cpu)/float64(n), "cpu-ns/op")
}
