//go:build ignore

// The pictures and the sound of the demo clip, drawn with the standard library
// alone: `go run draw.go frames` writes raw RGB frames to standard output,
// `go run draw.go sound` raw 16-bit stereo samples. make.sh adds the words and
// the clock, and encodes both.
package main

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"image"
	"image/color"
	"math"
	"os"
)

const (
	width, height = 640, 360
	rate          = 20 // frames per second
	seconds       = 12
	oversample    = 3 // each pixel is the mean of 3x3
	soundRate     = 48000
)

// Everything that moves returns to where it began after one round.
func phase(frame int) float64 { return float64(frame) / (rate * seconds) }

type rgb struct{ r, g, b float64 }

func hex(v uint32) rgb {
	return rgb{float64(v >> 16), float64(v >> 8 & 255), float64(v & 255)}
}

func (a rgb) mix(b rgb, t float64) rgb {
	t = math.Max(0, math.Min(1, t))
	return rgb{a.r + (b.r-a.r)*t, a.g + (b.g-a.g)*t, a.b + (b.b-a.b)*t}
}

var (
	ink     = hex(0x0E1116)
	plum    = hex(0x1C1A1F)
	saffron = hex(0xF2A71B)
	copper  = hex(0xB4622F)
	ember   = hex(0xE9A066)
	shade   = hex(0x5A2C17)
	tin     = hex(0xC9B9A6)
	counter = hex(0x251D1A)
	edge    = hex(0x3A2A20)
	iron    = hex(0x2B2E35)
	steam   = hex(0xE8E2D6)
)

const (
	panX, panY   = 250.0, 214.0
	panR, panTip = 104.0, 0.34 // the pan is seen from above at an angle: its height over its width
	wallH        = 46.0
	counterY     = 262.0
)

func main() {
	out := bufio.NewWriterSize(os.Stdout, 1<<20)
	defer out.Flush()
	if len(os.Args) == 2 && os.Args[1] == "sound" {
		sound(out)
		return
	}
	for frame := range rate * seconds {
		img := picture(frame)
		for i := 0; i < len(img.Pix); i += 4 {
			out.Write(img.Pix[i : i+3])
		}
	}
	fmt.Fprintln(os.Stderr, "drawn")
}

func picture(frame int) *image.RGBA {
	img := image.NewRGBA(image.Rect(0, 0, width, height))
	t := phase(frame)
	for y := range height {
		for x := range width {
			var sum rgb
			for i := range oversample * oversample {
				px := float64(x) + (float64(i%oversample)+0.5)/oversample
				py := float64(y) + (float64(i/oversample)+0.5)/oversample
				c := at(px, py, t)
				sum.r, sum.g, sum.b = sum.r+c.r, sum.g+c.g, sum.b+c.b
			}
			const n = oversample * oversample
			img.SetRGBA(x, y, color.RGBA{uint8(sum.r / n), uint8(sum.g / n), uint8(sum.b / n), 255})
		}
	}
	return img
}

// at is the colour of a point at a phase of the round.
func at(x, y, t float64) rgb {
	c := stage(x, y)
	c = pan(c, x, y, t)
	c = vapour(c, x, y, t)
	return dial(c, x, y, t)
}

// stage is a dark wall in the light of a lamp, and a counter.
func stage(x, y float64) rgb {
	lamp := math.Exp(-(sq((x-panX)/250) + sq((y-120)/170)))
	if y < counterY {
		return ink.mix(plum, y/counterY).mix(saffron, 0.17*lamp)
	}
	depth := (y - counterY) / (height - counterY)
	c := counter.mix(ink, depth)
	if y < counterY+3 {
		c = edge
	}
	glow := math.Exp(-(sq((x-panX)/230) + sq((y-counterY-14)/46)))
	return c.mix(saffron, 0.12*glow)
}

func pan(c rgb, x, y, t float64) rgb {
	c = handle(c, x, y)
	bottomY := panY + wallH
	if d := math.Hypot((x-panX-6)/1.16, (y-bottomY-10)/0.36); d < panR { // its shadow on the counter
		c = c.mix(hex(0x000000), 0.55*smooth(panR, panR*0.62, d))
	}
	if inWall(x, y) {
		c = wall(x)
	}
	rim := math.Hypot(x-panX, (y-panY)/panTip)
	switch {
	case rim < panR-5:
		c = inside(x, y, rim, t)
	case rim < panR:
		c = ember.mix(copper, 0.5+0.5*math.Cos((x-panX+34)/panR*2.4)).mix(ember, 0.35)
	}
	return c
}

// inWall is the body below the rim, a little narrower at the bottom.
func inWall(x, y float64) bool {
	if y < panY || math.Abs(x-panX) > panR {
		return y >= panY-1 && math.Hypot(x-panX, (y-panY)/panTip) < panR
	}
	f := math.Min(1, (y-panY)/wallH)
	r := panR - 13*f
	dx := (x - panX) / r
	return math.Abs(dx) <= 1 && y <= panY+wallH*0.72+panR*panTip*0.86*math.Sqrt(math.Max(0, 1-dx*dx))
}

// wall shades the copper like a cylinder, with two bands of reflected light.
func wall(x float64) rgb {
	u := (x - panX) / panR
	c := copper.mix(shade, sq(u)*0.9)
	c = c.mix(ember, 0.85*math.Exp(-sq((u+0.42)/0.13)))
	c = c.mix(saffron, 0.35*math.Exp(-sq((u-0.52)/0.10)))
	return c.mix(shade, 0.5*smooth(0.86, 1, math.Abs(u)))
}

// inside is tinned, and holds a sauce that simmers.
func inside(x, y, rim, t float64) rgb {
	c := tin.mix(iron, 0.35+0.4*(y-panY+panR*panTip)/(2*panR*panTip))
	sauceY := panY + 7
	d := math.Hypot(x-panX, (y-sauceY)/(panTip*0.92))
	if d > panR-16 || rim > panR-8 {
		return c
	}
	swirl := math.Sin(d/9 - 2*math.Pi*3*t + 2*math.Atan2((y-sauceY)/panTip, x-panX))
	sauce := hex(0xC9761A).mix(saffron, 0.45+0.30*swirl)
	return sauce.mix(hex(0xFFE3A3), 0.5*math.Exp(-(sq((x-panX+40)/26)+sq((y-sauceY+12)/6))))
}

func handle(c rgb, x, y float64) rgb {
	const x0, y0, x1, y1 = panX + 92, panY + 6, panX + 222, panY - 38
	dx, dy := x1-x0, y1-y0
	f := ((x-x0)*dx + (y-y0)*dy) / (dx*dx + dy*dy)
	if f < 0 || f > 1.02 {
		return c
	}
	off := ((x-x0)*-dy + (y-y0)*dx) / math.Hypot(dx, dy)
	half := 7 + 3*f
	if math.Abs(off) > half || math.Hypot((f-0.955)*math.Hypot(dx, dy), off) < 4 { // the hole to hang it by
		return c
	}
	return iron.mix(hex(0x6B6258), 0.9*math.Exp(-sq((off+half*0.45)/2.6))).mix(ink, 0.4*smooth(0, half, off))
}

// vapour rises in three strands, each brought round to its start by t.
func vapour(c rgb, x, y, t float64) rgb {
	for i := range 3 {
		base := panX - 44 + 44*float64(i)
		rise := (panY - 14 - y) / 150
		if rise < 0 || rise > 1 {
			continue
		}
		sway := 10*math.Sin(2*math.Pi*(rise*1.3-3*t)+float64(i)*2.1) + 5*math.Sin(2*math.Pi*(rise*2.2-4*t)+float64(i))
		width := 7 + 15*rise
		body := math.Exp(-sq((x - base - sway*(0.25+rise)) / width))
		c = c.mix(steam, 0.20*body*math.Sin(math.Pi*rise)*(0.75+0.25*math.Sin(2*math.Pi*(rise*2-5*t)+float64(i))))
	}
	return c
}

const dialX, dialY, dialR = 540.0, 104.0, 56.0

// dial is a kitchen timer: the band fills once in a round, the bead goes with it.
func dial(c rgb, x, y, t float64) rgb {
	r := math.Hypot(x-dialX, y-dialY)
	if r > dialR+10 {
		return c
	}
	if r < dialR+2 {
		c = c.mix(ink, 0.72)
	}
	angle := math.Mod(math.Atan2(x-dialX, dialY-y)/(2*math.Pi)+1, 1)
	if math.Abs(r-dialR) < 3 {
		if angle <= t {
			c = saffron
		} else {
			c = hex(0x39342F)
		}
	}
	if tick := math.Abs(math.Mod(angle*12+0.5, 1)-0.5) * 2 * math.Pi * r / 12; r > dialR-14 && r < dialR-8 && tick < 1.1 {
		c = hex(0x8A8071)
	}
	bx, by := dialX+dialR*math.Sin(2*math.Pi*t), dialY-dialR*math.Cos(2*math.Pi*t)
	if math.Hypot(x-bx, y-by) < 6.5 {
		c = hex(0xFFD98A)
	}
	return c
}

// sound is a soft chime of two tones each second, the second one a third
// higher, quiet enough to talk over. It is silent where the rounds meet.
func sound(out *bufio.Writer) {
	for i := range soundRate * seconds {
		in := float64(i%soundRate)/soundRate - 0.05 // since the chime of this second
		low, high := 523.25, 659.25
		if (i/soundRate)%4 == 3 { // every fourth answers
			low, high = 587.33, 783.99
		}
		v := chime(in, low) + 0.8*chime(in-0.16, high)
		sample := int16(v * 0.11 * 32767)
		binary.Write(out, binary.LittleEndian, [2]int16{sample, sample})
	}
}

func chime(since, pitch float64) float64 {
	if since < 0 {
		return 0
	}
	w := 2 * math.Pi * pitch * since
	attack := math.Min(1, since/0.012)
	return attack * (math.Exp(-since*6.5)*math.Sin(w) + 0.28*math.Exp(-since*10)*math.Sin(2*w)) * smooth(0.78, 0.6, since)
}

func sq(v float64) float64 { return v * v }

// smooth goes from 0 at a to 1 at b.
func smooth(a, b, v float64) float64 {
	f := math.Max(0, math.Min(1, (v-a)/(b-a)))
	return f * f * (3 - 2*f)
}
