package main

import (
	"errors"
	"fmt"
	"os"

	"filippo.io/age"
)

// playbackConfig lets recordings be watched through the gateway, as displays that
// are called recording/NAME. Who may is the policy's to say, by rules for the
// targets recording/TARGET.
type playbackConfig struct {
	Directory string    `yaml:"directory,omitempty"` // default: that of recordings
	Keys      oneOrMore `yaml:"keys,omitempty"`      // files of age identities, for those that are encrypted
	Viewers   int       `yaml:"viewers,omitempty"`   // who watch recordings at a time; default: 16
	Search    bool      `yaml:"search,omitempty"`    // who watches may search what was typed, where that was recorded
}

// defaultPlaybackViewers is how many may watch at a time: each has a picture drawn
// of its own.
const defaultPlaybackViewers = 16

func (p *playbackConfig) validate(recordings *recordingsConfig) error {
	switch {
	case p == nil:
		return nil
	case p.Directory == "" && recordings == nil:
		return errors.New("directory: is missing: where the recordings are")
	case p.Viewers < 0 || p.Viewers > 1000:
		return errors.New("viewers: from 1 to 1000")
	}
	return nil
}

// viewers is how many may watch at a time.
func (p *playbackConfig) viewers() int {
	if p.Viewers == 0 {
		return defaultPlaybackViewers
	}
	return p.Viewers
}

// identities reads the keys, anew each time: they may be changed in their files.
func (p *playbackConfig) identities() ([]age.Identity, error) { return readIdentities(p.Keys) }

// readIdentities reads files of age identities (age-keygen).
func readIdentities(files []string) (all []age.Identity, err error) {
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			return nil, fmt.Errorf("keys: %w", err)
		}
		list, err := age.ParseIdentities(f)
		_ = f.Close()
		if err != nil {
			return nil, fmt.Errorf("keys: %s: not a file of age identities", name) // what it holds instead is nobody's business
		}
		all = append(all, list...)
	}
	return all, nil
}
