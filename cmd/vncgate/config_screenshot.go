package main

import (
	"strings"
)

// screenshots says when the gateway may take pictures of a target for those who
// look after it. The zero value is screenshotsFree.
type screenshots string

const (
	// screenshotsNever takes none; false is the same.
	screenshotsNever screenshots = "never"
	// screenshotsFree takes pictures while no viewer of ours sees the display, or
	// where its session is followed anyway; true is the same.
	screenshotsFree screenshots = "free"
	// screenshotsAlways takes them beside viewers, too, by a connection more: for
	// displays that share.
	screenshotsAlways screenshots = "always"
)

// UnmarshalYAML takes the words, and true and false.
func (s *screenshots) UnmarshalYAML(b []byte) error {
	switch text := strings.Trim(strings.TrimSpace(string(b)), `"'`); text {
	case "false":
		*s = screenshotsNever
	case "true":
		*s = screenshotsFree
	case string(screenshotsNever), string(screenshotsFree), string(screenshotsAlways):
		*s = screenshots(text)
	default:
		return notOneOf("answer", text, []string{string(screenshotsNever), string(screenshotsFree), string(screenshotsAlways)})
	}
	return nil
}
