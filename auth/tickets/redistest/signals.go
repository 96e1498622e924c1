//go:build unix

package redistest

import "syscall"

// Pause has the server hang until Resume: its connections stay, and nothing is
// answered.
func (s *Server) Pause() { _ = s.cmd.Process.Signal(syscall.SIGSTOP) }

// Resume has the server go on after Pause.
func (s *Server) Resume() { _ = s.cmd.Process.Signal(syscall.SIGCONT) }

// Stop ends the server as its operator would: it keeps what its settings say,
// and returns when it has ended.
func (s *Server) Stop() {
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	<-s.ended
}
