//go:build !unix

package main

import (
	"errors"
	"os"
)

// upgradeSignal is none.
var upgradeSignal os.Signal

func startSuccessor(string, []handedSocket) (*successor, error) {
	return nil, errors.New("this system cannot hand listening sockets to a new process; restart the gateway instead")
}

func (s *successor) kill() { _ = s.channel.Close() }

func keepFromChildren([]int) {}
