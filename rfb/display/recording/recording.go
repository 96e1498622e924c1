// Package recording writes down what a session shows, and plays it.
//
//	r, err := recording.New(recording.Directory("/var/lib/vncgate/recordings"), options)
//	err = r.Display(bytesForTheViewer)      // both as they pass, at once
//	err = r.Viewer(bytesForTheDisplay)
//	r.Close("viewer left")
//
//	p, err := recording.Open("/var/lib/vncgate/recordings/NAME.fbs", recording.OpenOptions{})
//	head, err := p.At(90 * time.Second)     // head.Follower().Image() is the screen then
//
// A recording is two files. NAME.fbs has what the display said, in FBS 001.000,
// which players have read since 1999; NAME.index has all else, and what it takes
// to find one's way. With zstd they are NAME.fbs.zst, with age NAME.fbs.age or
// NAME.fbs.zst.age, and NAME.index.age: each is what the programs zstd and age make,
// and read.
//
// Both only grow. Whoever finds them cut plays them up to the cut.
//
// # The display's file
//
// A block of FBS is what the display said at once. The format in ServerInit is the
// one that the viewer had chosen when it first asked for an update, so that players
// which know nothing of viewers draw right. A viewer that changes its format later
// leaves its SetPixelFormat in the index, at its place; players without the index
// cannot know of it. No gateway can put it into the file.
//
// Where the file is compressed it consists of frames of zstd, each of which can be
// read without those before it. The index names their places.
//
// # The index
//
// 16 bytes of magic, "vncgate index 1\n", and records, numbers being big-endian:
//
//	U32  n, length of what follows up to the checksum
//	U8   type
//	U32  number of the record, from 0 on
//	U64  microseconds since the beginning
//	U64  place: how many bytes the display had said behind ServerInit
//	n-21 bytes
//	U32  CRC-32C of all that
//
// The records' types and what they hold are those of the constants Type…. A seal
// (TypeSeal) holds
//
//	U8      1: the last
//	U64     length of the display's file up to here as FBS, where a block ends
//	U64     the same as it is below age: with zstd a frame of it ends here
//	U8[32]  SHA-256 of that since the seal before
//	U8[32]  SHA-256 of the index, from its magic to the byte before this
//	U8[64]  ed25519 signature of "vncgate recording seal\n" and the bytes of the
//	        record from the first U8 to here; zeros where nobody signs
//
// so that each is chained to all before it. The last says that the recording was
// ended properly.
package recording

import (
	"encoding/binary"
	"errors"
	"time"
)

// be is the byte order of the index.
var be = binary.BigEndian

// Meta says whose session a recording is of. It is the index's first record, as
// JSON; what is not known is "".
type Meta struct {
	Version  int       `json:"version"`
	Session  string    `json:"session,omitempty"`
	Target   string    `json:"target,omitempty"`
	User     string    `json:"user,omitempty"`
	From     string    `json:"from,omitempty"`
	Listener string    `json:"listener,omitempty"`
	Since    time.Time `json:"since"`
	// Name is the desktop's, Width and Height its size at the beginning.
	Name   string `json:"name,omitempty"`
	Width  int    `json:"width,omitempty"`
	Height int    `json:"height,omitempty"`
	// Key is the public key that the seals are signed with, in base64.
	Key string `json:"key,omitempty"`
	// Redact says what was left out.
	Redact Redact `json:"redact"`
}

// metaVersion is the version that is written and read.
const metaVersion = 1

// Errors of a Recorder and of those who open recordings.
var (
	// ErrSlow is that the destination does not keep up: as much as Options.Queue
	// says has not been written.
	ErrSlow = errors.New("recording: the destination is too slow")
	// ErrEnded is what a Recorder says behind Close.
	ErrEnded = errors.New("recording: it has ended")
	// ErrNoIndex is that a recording's index is missing or not one.
	ErrNoIndex = errors.New("recording: no index")
	// ErrEncrypted is that nobody whose key is at hand may read a recording.
	ErrEncrypted = errors.New("recording: it is encrypted, and none of the keys opens it")
)
