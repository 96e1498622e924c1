// Package control steers a gateway while it runs: a table of commands, and the
// socket on which they are spoken in the wire format of QEMU's QMP
// (docs/interop/qmp-spec.rst), so that its clients and people's habits fit.
//
//	table := control.Commands(&control.Backend{Gateway: gate, …})
//	server := &control.Server{Table: table, …}
//	go server.Serve(listener)
//
// The table is the one place where a command is defined; HTTP and the command
// line use the same.
package control
