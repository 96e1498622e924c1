package gateway

import (
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// runThread has the loop wait in the kernel, on a thread of its own.
func (l *loop) runThread(settings *Class) error {
	bell, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		_ = l.set.Close()
		return fmt.Errorf("gateway: event loop: %w", err)
	}
	l.bell = os.NewFile(uintptr(bell), "eventfd")
	var set int
	_ = l.raw.Control(func(fd uintptr) {
		set = int(fd) // open until close, which waits for the thread
		err = unix.EpollCtl(set, unix.EPOLL_CTL_ADD, bell, &unix.EpollEvent{Events: unix.EPOLLIN})
	})
	if err != nil {
		_ = l.bell.Close()
		_ = l.set.Close()
		return fmt.Errorf("gateway: event loop: %w", err)
	}
	go l.waitOnThread(set, settings)
	return nil
}

// waitOnThread wakes until the bell rings. The thread ends with it, for it is not
// as others are any more.
func (l *loop) waitOnThread(set int, settings *Class) {
	defer close(l.over)
	runtime.LockOSThread()
	_ = dressThread(settings) // it was tried when the class was made
	var events [loopEvents]unix.EpollEvent
	for {
		n, err := unix.EpollWait(set, events[:], -1)
		if err != nil && err != unix.EINTR {
			return
		}
		for i := range events[:max(n, 0)] {
			if events[i].Fd == 0 && events[i].Pad == 0 { // no direction has this number
				return
			}
			l.wake(&events[i])
		}
	}
}

// dressThread gives this thread its CPUs and its nice value.
func dressThread(settings *Class) error {
	if len(settings.CPUs) > 0 {
		var cpus unix.CPUSet
		for _, cpu := range settings.CPUs {
			cpus.Set(cpu)
		}
		if err := unix.SchedSetaffinity(0, &cpus); err != nil {
			return fmt.Errorf("cpus %v: %w; name those that this process may use", settings.CPUs, err)
		}
	}
	if settings.Nice != 0 {
		if err := unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), settings.Nice); err != nil {
			return fmt.Errorf("nice %d: %w; a negative one needs CAP_SYS_NICE", settings.Nice, err)
		}
	}
	return nil
}

// tryThread reports whether a thread can be what the class says.
func tryThread(settings *Class) error {
	told := make(chan error)
	go func() {
		runtime.LockOSThread() // and ends with it
		told <- dressThread(settings)
	}()
	return <-told
}
