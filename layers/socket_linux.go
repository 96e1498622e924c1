package layers

import (
	"net"

	"golang.org/x/sys/unix"
)

func setCork(t *net.TCPConn, on bool) {
	value := 0
	if on {
		value = 1
	}
	raw, err := t.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_CORK, value)
	})
}

func peerCredentials(u *net.UnixConn) (Credentials, error) {
	raw, err := u.SyscallConn()
	if err != nil {
		return Credentials{}, err
	}
	var peer *unix.Ucred
	var sockErr error
	err = raw.Control(func(fd uintptr) {
		peer, sockErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	if err != nil {
		return Credentials{}, err
	}
	if sockErr != nil {
		return Credentials{}, sockErr
	}
	return Credentials{PID: int(peer.Pid), UID: int(peer.Uid), GID: int(peer.Gid)}, nil
}
