package main

import (
	"runtime"
	"runtime/debug"
	"testing"
	"time"
)

func TestWorthTidying(t *testing.T) {
	var crowd [][]byte
	for range 300 {
		crowd = append(crowd, make([]byte, 256<<10))
	}
	runtime.KeepAlive(crowd)
	crowd = nil
	deadline := time.Now().Add(20 * time.Second)
	for !worthTidying() && time.Now().Before(deadline) { // a collection may have come first
		runtime.GC()
		time.Sleep(time.Millisecond)
	}
	if !worthTidying() {
		t.Skip("the system has it back already")
	}
	debug.FreeOSMemory()
	for worthTidying() && time.Now().Before(deadline) { // beside other tests
		debug.FreeOSMemory()
	}
	if worthTidying() {
		t.Error("what has just been tidied is worth tidying")
	}
}
