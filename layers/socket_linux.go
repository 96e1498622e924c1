package layers

import (
	"math"
	"net"
	"time"

	"golang.org/x/sys/unix"
)

func setCork(t *net.TCPConn, on bool) {
	value := 0
	if on {
		value = 1
	}
	setTCP(t, unix.TCP_CORK, value)
}

func setUserTimeout(t *net.TCPConn, d time.Duration) {
	setTCP(t, unix.TCP_USER_TIMEOUT, int(min(max(d, 0).Milliseconds(), math.MaxInt32)))
}

func setTCP(t *net.TCPConn, option, value int) {
	raw, err := t.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, option, value)
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
