// Package clip holds the picture and the sound of the demo show.
//
// # Overview
//
// clip.ivf is VP8, clip.ogg is Opus; both loop without a seam. They show our
// own drawing, made by draw.go and encoded by make.sh, which say how. Samples
// reads both files once and gives them in the order in which they are due.
//
// # Invariants
//
// Video and audio are equally long, the first frame is a keyframe, and no two
// keyframes are more than two seconds apart. Both files together stay under
// 900 kB, for they are part of the program. Tests hold it to that.
//
// It starts nothing, keeps the parsed samples for the life of the process and
// imports pion's container readers alone.
package clip
