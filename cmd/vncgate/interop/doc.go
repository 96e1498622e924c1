// Package interop holds no code of the program: its tests run the vncgate
// binary between the viewers and the displays that people really use (TigerVNC,
// gtk-vnc, libvncclient, vncsnapshot, ssvncviewer and noVNC in Chromium in front,
// with nginx and haproxy before them; Xvnc, QEMU and x11vnc behind; Redis beside)
// and compare what is seen through the gateway with what the same viewer sees
// without it.
//
// A peer that is not installed skips the tests that need it, and the message
// names its Debian package; with VNCGATE_REQUIRE_PEERS=1 it fails them instead.
// testdata/debian-packages lists them all.
// The tests need Linux, and are left out by go test -short.
//
// With -v the run ends with the table of viewers, fronts and displays that were
// seen. VNCGATE_BINARY names a program to test instead of the one that is built
// here, and -artifacts keeps the pictures that differ.
package interop
