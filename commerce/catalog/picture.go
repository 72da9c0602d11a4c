package catalog

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"image/png"
	"io"
	"regexp"

	"github.com/jackc/pgx/v5"
	"golang.org/x/image/webp"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/schema"
)

const (
	MaxPicture  = 2 << 20 // bytes
	MaxSide     = 4096    // pixels, of either side
	MaxPictures = 500     // of one owner
)

var (
	ErrPicture         = errors.New("a picture is a PNG, JPEG or WebP file of at most 2 MiB, and at most 4096 by 4096 pixels")
	ErrTooManyPictures = errors.New("an account has at most 500 pictures")
)

// Picture is an uploaded one. Its name is made from its bytes, so what a name shows never changes.
type Picture struct {
	Name  string
	Type  string // a media type, judged by the bytes alone
	Bytes []byte
}

// Path is where the API serves it.
func (p Picture) Path() string { return PictureBase + p.Name }

var pictureName = regexp.MustCompile(`^[0-9a-f]{64}\.(png|jpg|webp)$`)

var pictureKinds = []struct {
	is     func([]byte) bool
	decode func(io.Reader) (image.Config, error)
	media  string
	suffix string
}{
	{func(b []byte) bool { return bytes.HasPrefix(b, []byte("\x89PNG\r\n\x1a\n")) }, png.DecodeConfig, "image/png", ".png"},
	{func(b []byte) bool { return bytes.HasPrefix(b, []byte("\xff\xd8\xff")) }, jpeg.DecodeConfig, "image/jpeg", ".jpg"},
	{func(b []byte) bool { return len(b) >= 12 && string(b[:4]) == "RIFF" && string(b[8:12]) == "WEBP" }, webp.DecodeConfig, "image/webp", ".webp"},
}

// NewPicture judges what was uploaded, whatever its sender called it. Only the header is decoded: nothing here draws
// pictures, and browsers show what they can of a damaged one.
func NewPicture(raw []byte) (Picture, error) {
	if len(raw) > MaxPicture {
		return Picture{}, fmt.Errorf("%w: %d bytes", ErrPicture, len(raw))
	}
	for _, kind := range pictureKinds {
		if !kind.is(raw) {
			continue
		}
		c, err := kind.decode(bytes.NewReader(raw))
		if err != nil {
			return Picture{}, fmt.Errorf("%w: %w", ErrPicture, err)
		}
		if c.Width < 1 || c.Width > MaxSide || c.Height < 1 || c.Height > MaxSide {
			return Picture{}, fmt.Errorf("%w: %d by %d", ErrPicture, c.Width, c.Height)
		}
		sum := sha256.Sum256(raw)
		return Picture{Name: hex.EncodeToString(sum[:]) + kind.suffix, Type: kind.media, Bytes: raw}, nil
	}
	return Picture{}, fmt.Errorf("%w: of no such kind", ErrPicture)
}

// AddPicture keeps a picture. One that there is, whoever sent it first, is not kept again nor counted again.
func AddPicture(ctx context.Context, tx pgx.Tx, owner commerce.AccountID, p Picture) error {
	tag, err := tx.Exec(ctx, `insert into picture (name, type, bytes, owner) values ($1, $2, $3, $4) on conflict (name) do nothing`,
		p.Name, p.Type, p.Bytes, owner)
	if err != nil {
		return fmt.Errorf("keep picture %s: %w", p.Name, err)
	}
	if tag.RowsAffected() == 0 {
		return nil
	}
	// Locked, so that two uploads at once are counted one after the other.
	var count int
	if _, err = tx.Exec(ctx, `select from account where id = $1 for no key update`, owner); err == nil {
		err = tx.QueryRow(ctx, `select count(*) from picture where owner = $1`, owner).Scan(&count)
	}
	if err != nil {
		return fmt.Errorf("count pictures: %w", err)
	}
	if count > MaxPictures {
		return ErrTooManyPictures
	}
	return nil
}

// ReadPicture reads an uploaded one; ErrUnknown when there is none of this name.
func ReadPicture(ctx context.Context, q schema.Querier, name string) (Picture, error) {
	p := Picture{Name: name}
	if !pictureName.MatchString(name) {
		return Picture{}, ErrUnknown
	}
	err := q.QueryRow(ctx, `select type, bytes from picture where name = $1`, name).Scan(&p.Type, &p.Bytes)
	if errors.Is(err, pgx.ErrNoRows) {
		return Picture{}, ErrUnknown
	}
	if err != nil {
		return Picture{}, fmt.Errorf("read picture: %w", err)
	}
	return p, nil
}
