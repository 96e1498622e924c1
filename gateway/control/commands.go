package control

import "encoding/json"

// Commands is the table of everything that can be done with b. Others may be
// added to it.
//
// What is marked out of band takes only locks that nobody holds while waiting
// for anything: those of the gateway's list of sessions and of a session's state.
// Whoever adds to it keeps to that.
func Commands(b *Backend) *Table {
	t := &Table{}
	t.Add(
		New("query-sessions", Viewer, "List the sessions of viewers who have proved who they are", b.querySessions),
		New("query-targets", Viewer, "List the displays that have names, and how the last try to reach them went", b.queryTargets),
		New("query-listeners", Viewer, "List the ways in", b.queryListeners),
		New("query-agents", Viewer, "List the agents that have dialled in, and what they announce", b.queryAgents),
		New("query-streams", Viewer, "List the streams in the tunnels of agents: each is one session's way to its display", b.queryStreams),
		New("query-stats", Viewer, "Say how the gateway is", b.queryStats),
	)
	t.Add(
		New("session-kill", Operator, "End sessions at once", b.sessionKill).OutOfBand(),
		New("session-pause", Operator, "Let nothing pass in sessions for now", b.sessionPause).OutOfBand(),
		New("session-resume", Operator, "Let paused sessions go on", b.sessionResume).OutOfBand(),
		New("session-message", Operator, "Show words on the pages of sessions", b.sessionMessage).OutOfBand(),
		New("session-mark", Operator, "Say whether what is typed in a session is a password, which is then not recorded", b.sessionMark).OutOfBand(),
		New("session-set-rights", Operator, "Change what viewers may do, within what was granted to them", b.sessionSetRights),
		New("set-class", Operator, "Move a session to another class", b.setClass),
		New("agent-kick", Operator, "Cut the tunnels of an agent, with the sessions in them; it may come again", b.agentKick),
		New("target-probe", Operator, "Open a session to a display through the whole stack, and end it", b.targetProbe),
	)
	t.Add(
		New("revoke", Admin, "Take back a token or a user's access, and end their sessions", b.revoke),
		New("agent-revoke", Admin, "Take back the certificates of an agent, or one of them, and cut its tunnels", b.agentRevoke),
		New("reload", Admin, "Put in force what the configuration's file says now", b.reload),
		New("upgrade", Admin, "Start the program anew, as its file and its configuration are now, without dropping a session", b.upgrade),
		New("drain", Admin, "Let nobody in any more", b.drain),
		New("undrain", Admin, "Let viewers in again", b.undrain),
		New("log-level", Admin, "Say or change what is logged", b.logLevel),
		New("getfd", Admin, "Give a descriptor a name that was passed with this command (SCM_RIGHTS)", b.getFD),
		New("closefd", Admin, "Close a descriptor that has a name", b.closeFD),
		New("listener-add", Admin, "Serve viewers on a listening socket that was passed", b.listenerAdd),
		New("display-add", Admin, "Hand over a display's connected socket to a target that waits for it", b.displayAdd),
		New("profile", Admin, "Write where the process spends its time or memory to a descriptor that was passed", b.profile),
		New("quit", Admin, "End the gateway as a signal would", b.quit),
	)
	t.Add(
		New("query-commands", Viewer, "List the commands", t.queryCommands),
		New("query-events", Viewer, "List the events", queryEvents),
		New("query-version", Viewer, "Say which program this is", b.queryVersion),
		New("query-qmp-schema", Viewer, "Describe commands, events and their types", t.querySchema),
	)
	if b.Gateway != nil {
		audited := Audited(b.Gateway)
		t.Done = func(call *Call, name string, args json.RawMessage, err error) { audited(call, name, args, err) }
	}
	return t
}
