package demo

import (
	"testing"

	"vncgate/rfb/display/screen/screentest"
)

// watch connects a viewer to d.
func watch(t *testing.T, d *Display) *screentest.Watcher {
	t.Helper()
	return screentest.Watch(t, d.ServeConn)
}

// still is a display that does not move, closed with the test. It is small
// unless it is told not to be: pictures take their time under the race detector.
func still(t *testing.T, o Options) *Display {
	o.Still = true
	if o.Width == 0 {
		o.Width, o.Height = 480, 300
	}
	d := New(o)
	t.Cleanup(d.Close)
	return d
}
