package control

// Commands is the table of everything that can be done with b. Others may be
// added to it.
func Commands(b *Backend) *Table {
	t := &Table{}
	t.Add(
		New("query-sessions", Viewer, "List the sessions of viewers who have proved who they are", b.querySessions),
	)
	t.Add(
		New("session-kill", Operator, "End sessions at once", b.sessionKill).OutOfBand(),
		New("session-message", Operator, "Show words on the pages of sessions", b.sessionMessage).OutOfBand(),
	)
	return t
}
