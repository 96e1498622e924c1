// Package netlab holds no code of the program: its tests run the vncgate
// binary between hosts that are far apart. The hosts are network namespaces of
// Linux, and the way between them is a pair of TUN devices with a forwarder in
// the middle that has a rate, a delay, a queue and losses, and whose cable can
// be pulled. The agent stands behind a NAT (nftables masquerades it), the
// gateway outside, the viewer beyond it.
//
// What is seen through a tunnel is compared with a direct connection and with
// ssh -R over the same path, as ratios.
//
// The laboratory asks for root, for /dev/net/tun and for VNCGATE_NETLAB=1 (make
// netlab sets it); without them its tests are skipped, and only those of the
// forwarder itself are run. VNCGATE_BINARY names a program to test instead of
// the one that is built here.
package netlab
