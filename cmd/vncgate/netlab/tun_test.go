package netlab

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// offloadHead is the length of struct virtio_net_hdr, which comes before each
// packet of an offloaded device.
const offloadHead = 10

// openTUN makes a TUN device in the namespace of the calling thread. Each read
// and write of the file is one IP packet. With offload the kernel hands over up
// to 64 KiB of one connection at once, as it does to a network card, and takes
// that back; this is what it needs for a Gbit/s.
func openTUN(name string, offload bool) (*os.File, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("/dev/net/tun: %w", err)
	}
	if err := setTUN(fd, name, offload); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("tun %s: %w", name, err)
	}
	return os.NewFile(uintptr(fd), "tun "+name), nil
}

func setTUN(fd int, name string, offload bool) error {
	request, err := unix.NewIfreq(name)
	if err != nil {
		return err
	}
	flags := uint16(unix.IFF_TUN | unix.IFF_NO_PI)
	if offload {
		flags |= unix.IFF_VNET_HDR
	}
	request.SetUint16(flags)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, request); err != nil {
		return err
	}
	if !offload {
		return nil
	}
	return unix.IoctlSetInt(fd, unix.TUNSETOFFLOAD, unix.TUN_F_CSUM|unix.TUN_F_TSO4|unix.TUN_F_TSO6)
}
