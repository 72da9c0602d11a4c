#!/bin/sh
# Makes clip.ivf and clip.ogg again. Needs Go, ffmpeg with libvpx and libopus, and the font
# DejaVu Sans (Debian: ffmpeg, fonts-dejavu-core). The drawing and the sound are our own (draw.go).
set -eu
cd "$(dirname "$0")"
font=/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf
bold=/usr/share/fonts/truetype/dejavu/DejaVuSans-Bold.ttf
# A proportional clock would shiver as its digits change.
mono=/usr/share/fonts/truetype/dejavu/DejaVuSansMono-Bold.ttf
words="drawtext=fontfile=$bold:text='Mara’s kitchen – demo':x=36:y=30:fontsize=30:fontcolor=0xF4EFE6"
words="$words,drawtext=fontfile=$font:text='A recorded loop, until somebody goes live':x=37:y=74:fontsize=15:fontcolor=0xB9AE9E"
# Tenths are frames of 20 per second, halved.
clock='%{eif\:floor(n/20)\:d\:2}.%{eif\:mod(floor(n/2)\,10)\:d}'
words="$words,drawtext=fontfile=$mono:text='$clock':x=508:y=93:fontsize=27:fontcolor=0xF2A71B"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
go build -o "$work/draw" draw.go

# A keyframe each two seconds, no frame that is only there to be referred to (a player of RTP shows each).
"$work/draw" frames | ffmpeg -v error -y -f rawvideo -pix_fmt rgb24 -s 640x360 -r 20 -i - -vf "$words" \
	-c:v libvpx -pix_fmt yuv420p -b:v 420k -maxrate 700k -bufsize 900k -quality good -cpu-used 0 \
	-g 40 -keyint_min 40 -auto-alt-ref 0 -lag-in-frames 0 -error-resilient 1 -fflags +bitexact -threads 1 clip.ivf
# One packet of 20 ms on each page: the reader gives a page at a time.
"$work/draw" sound | ffmpeg -v error -y -f s16le -ar 48000 -ac 2 -i - \
	-c:a libopus -b:a 32k -vbr off -frame_duration 20 -page_duration 20000 -fflags +bitexact clip.ogg
ls -l clip.ivf clip.ogg
