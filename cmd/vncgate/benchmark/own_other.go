//go:build !linux

package main

import "syscall"

func ownGroup() *syscall.SysProcAttr { return nil }

func raiseFiles() uint64 { return 0 }
