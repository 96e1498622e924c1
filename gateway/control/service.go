package control

import (
	"cmp"
	"context"
	"net"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"vncgate/gateway"
)

// The commands on the gateway as a whole.

func unavailable(desc string) error {
	return &Error{Class: ClassGeneric, Desc: desc, Err: ErrUnavailable}
}

// TargetQuery are the arguments of query-targets.
type TargetQuery struct {
	Name string `json:"name,omitempty" doc:"this one alone" of:"target"`
	Paging
}

// TargetList is a page of targets, by name.
type TargetList struct {
	Targets []Target `json:"targets" doc:"by name"`
	Next    string   `json:"next,omitempty" doc:"after, for the rest; none: that was all"`
	Silence
}

// MergeTargets is the first of those lists that several gateways have returned to
// the same TargetQuery, with what agents announce at the others, and the sessions
// that all of them have. Its Next holds for each of them.
func MergeTargets(lists []TargetList, limit int) TargetList {
	var merged TargetList
	var pages []Page[Target]
	all, listed := map[string]*Target{}, map[string]bool{}
	for i, l := range lists {
		pages = append(pages, Page[Target]{Next: l.Next})
		merged.Silent = append(merged.Silent, l.Silent...)
		for _, t := range l.Targets {
			listed[t.Name] = listed[t.Name] || i == 0 || t.Node != ""
			if known := all[t.Name]; known != nil {
				known.join(&t)
				continue
			}
			all[t.Name] = &t
		}
	}
	for name, t := range all {
		if listed[name] {
			pages[0].Entries = append(pages[0].Entries, *t)
		}
	}
	page := MergePages(limit, pages, targetKey)
	merged.Targets, merged.Next = page.Entries, page.Next
	return merged
}

func targetKey(t Target) string { return t.Name }

// join adds what another gateway has of the same target, and what it knows better:
// an agent's display may never have been tried from here.
func (t *Target) join(other *Target) {
	t.Sessions += other.Sessions
	if t.Node == "" {
		t.Node = other.Node
	}
	if t.Node != "" && t.State == "unknown" {
		t.State, t.Since, t.Reason = other.State, other.Since, other.Reason
	}
}

func (b *Backend) queryTargets(_ context.Context, _ *Call, q TargetQuery) (TargetList, error) {
	var list []Target
	if b.Targets != nil {
		list = b.Targets()
	}
	if q.Name != "" {
		list = slices.DeleteFunc(list, func(t Target) bool { return t.Name != q.Name })
		if len(list) == 0 {
			return TargetList{}, NotFound("no target %q; query-targets lists those there are", q.Name)
		}
	}
	open := map[string]int{}
	for _, s := range b.Gateway.List() {
		if s.Open {
			open[s.Target]++
		}
	}
	for i := range list {
		list[i].Sessions = open[list[i].Name]
	}
	page, next, err := pageOf(q.Paging, list, targetKey)
	return TargetList{Targets: page, Next: next}, err
}

// ListenerList are the ways in.
type ListenerList struct {
	Listeners []Listener `json:"listeners" doc:"in the order of the configuration"`
}

func (b *Backend) queryListeners(context.Context, *Call, struct{}) (ListenerList, error) {
	list := []Listener{}
	if b.Listeners != nil {
		list = b.Listeners()
	}
	for _, s := range b.Gateway.List() {
		if i := slices.IndexFunc(list, func(l Listener) bool { return l.Name == s.Listener }); i >= 0 && s.Open {
			list[i].Sessions++
		}
	}
	return ListenerList{list}, nil
}

func (b *Backend) queryStats(context.Context, *Call, struct{}) (Stats, error) {
	stats := Stats{Version: b.Version.Package, PID: os.Getpid(), Goroutines: runtime.NumGoroutine(), Files: openFiles()}
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	stats.Memory = memory.Sys - memory.HeapReleased
	granted := 0
	for _, s := range b.Gateway.List() {
		granted++
		if !s.Open {
			stats.Waiting++
			continue
		}
		stats.Open++
		stats.BytesUp += s.BytesUp
		stats.BytesDown += s.BytesDown
		if s.Paused {
			stats.Paused++
		}
	}
	stats.Handshakes = max(b.Gateway.Sessions()-granted, 0)
	if b.Classes != nil {
		stats.Classes = b.Classes()
	}
	if b.LogLevel != nil {
		stats.LogLevel = b.LogLevel()
	}
	if b.Stats != nil {
		b.Stats(&stats)
	}
	return stats, nil
}

// openFiles counts our descriptors where the system shows them; else 0.
func openFiles() int {
	d, err := os.Open("/proc/self/fd")
	if err != nil {
		return 0
	}
	defer d.Close()
	names, _ := d.Readdirnames(-1)
	return max(len(names)-1, 0) // but for d
}

// ProbeArgs are the arguments of target-probe.
type ProbeArgs struct {
	Target  string   `json:"target" doc:"name of the target" of:"target"`
	Timeout Duration `json:"timeout,omitempty" doc:"after which it is given up (30s)"`
}

func (b *Backend) targetProbe(ctx context.Context, _ *Call, a ProbeArgs) (Probe, error) {
	if b.Probe == nil {
		return Probe{}, unavailable("this gateway cannot try its targets")
	}
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(time.Duration(max(a.Timeout, 0)), 30*time.Second))
	defer cancel()
	return b.Probe(ctx, a.Target)
}

func (b *Backend) revoke(ctx context.Context, _ *Call, r Revocation) (Met, error) {
	given := 0
	for _, one := range []string{r.Token, r.User, r.Session} {
		if one != "" {
			given++
		}
	}
	switch {
	case given != 1:
		return Met{}, Wrong("say by one of token, user and session what is taken back")
	case b.Revoke == nil:
		return Met{}, unavailable("this gateway has nothing that could be taken back")
	}
	n, err := b.Revoke(ctx, r)
	return Met{Sessions: n}, err
}

func (b *Backend) reload(ctx context.Context, _ *Call, _ struct{}) (Reloaded, error) {
	if b.Reload == nil {
		return Reloaded{}, unavailable("there is no file to reload: start with --config FILE to have one")
	}
	return b.Reload(ctx)
}

func (b *Backend) upgrade(ctx context.Context, _ *Call, _ struct{}) (Upgraded, error) {
	if b.Upgrade == nil {
		return Upgraded{}, unavailable("this gateway cannot be upgraded while it serves")
	}
	return b.Upgrade(ctx)
}

// Drained says whom a drain finds.
type Drained struct {
	Sessions int       `json:"sessions" doc:"how many viewers are in, or on their way"`
	Ends     time.Time `json:"ends,omitzero" doc:"when those are ended who are left; without it nobody is"`
}

func (b *Backend) drain(_ context.Context, _ *Call, d Draining) (Drained, error) {
	switch {
	case b.Drain == nil:
		return Drained{}, unavailable("this gateway cannot be drained; quit ends it")
	case d.Timeout < 0 || len(d.Words) > maxWords:
		return Drained{}, Wrong("Parameter 'timeout' is not negative, and 'words' has at most %d bytes", maxWords)
	}
	if err := b.Drain(d); err != nil {
		return Drained{}, err
	}
	found := Drained{Sessions: b.Gateway.Sessions()}
	if how, ok := b.Gateway.Draining(); ok && !how.Until.IsZero() {
		found.Ends = how.Until.UTC()
	}
	return found, nil
}

func (b *Backend) undrain(context.Context, *Call, Undraining) (struct{}, error) {
	if b.Undrain == nil {
		return struct{}{}, unavailable("this gateway cannot be drained")
	}
	return struct{}{}, b.Undrain()
}

// Level is the log's.
type Level struct {
	Level string `json:"level,omitempty" doc:"what is logged; without it, it is only asked for" enum:"debug,info,warn,error"`
}

// LevelSet is the log's level.
type LevelSet struct {
	Level string `json:"level" doc:"what is logged"`
	Was   string `json:"was,omitempty" doc:"what was, where it has been set"`
}

func (b *Backend) logLevel(_ context.Context, _ *Call, l Level) (LevelSet, error) {
	if b.LogLevel == nil || b.SetLogLevel == nil {
		return LevelSet{}, unavailable("the level of this log is fixed")
	}
	before := b.LogLevel()
	if l.Level == "" {
		return LevelSet{Level: before}, nil
	}
	if err := b.SetLogLevel(l.Level); err != nil {
		return LevelSet{}, err
	}
	return LevelSet{Level: b.LogLevel(), Was: before}, nil
}

func (b *Backend) quit(context.Context, *Call, struct{}) (struct{}, error) {
	if b.Quit == nil {
		return struct{}{}, unavailable("this gateway is ended by whoever runs it")
	}
	b.Quit()
	return struct{}{}, nil
}

// FDName are the arguments of getfd and closefd.
type FDName struct {
	Name string `json:"fdname" doc:"name of a descriptor"`
}

func (b *Backend) getFD(_ context.Context, call *Call, a FDName) (struct{}, error) {
	if call.Files == nil {
		return struct{}{}, unavailable("descriptors are passed over the control socket alone")
	}
	return struct{}{}, call.Files.name(a.Name)
}

func (b *Backend) closeFD(_ context.Context, call *Call, a FDName) (struct{}, error) {
	file, err := call.Files.take(a.Name)
	if err != nil {
		return struct{}{}, err
	}
	return struct{}{}, file.Close()
}

// ListenerAdd are the arguments of listener-add.
type ListenerAdd struct {
	Name string `json:"fdname" doc:"of a listening socket, from getfd"`
	Like string `json:"like" doc:"the listener whose settings it has" of:"listener"`
}

// ListenerAdded says where it listens.
type ListenerAdded struct {
	Address string `json:"address" doc:"where it listens"`
}

func (b *Backend) listenerAdd(_ context.Context, call *Call, a ListenerAdd) (ListenerAdded, error) {
	if b.AddListener == nil {
		return ListenerAdded{}, unavailable("this gateway takes no listener in while it runs")
	}
	file, err := call.Files.take(a.Name)
	if err != nil {
		return ListenerAdded{}, err
	}
	address, err := b.AddListener(a.Like, file)
	return ListenerAdded{address}, err
}

// DisplayAdd are the arguments of display-add.
type DisplayAdd struct {
	Name   string `json:"fdname" doc:"of a display's connected socket, from getfd"`
	Target string `json:"target" doc:"whose display it is; it has arrives in the configuration" of:"target"`
}

func (b *Backend) displayAdd(_ context.Context, call *Call, a DisplayAdd) (struct{}, error) {
	if b.AddDisplay == nil {
		return struct{}{}, unavailable("no target waits for displays that come by themselves (arrives)")
	}
	file, err := call.Files.take(a.Name)
	if err != nil {
		return struct{}{}, err
	}
	return struct{}{}, b.AddDisplay(a.Target, file)
}

// ConnOf makes a connection of a descriptor that was passed, and closes the file.
func ConnOf(file *os.File) (net.Conn, error) {
	defer file.Close()
	c, err := net.FileConn(file)
	if err != nil {
		return nil, Wrong("the descriptor is not a connected socket")
	}
	return c, nil
}

// ListenerOf makes a listener of a descriptor that was passed, and closes the
// file.
func ListenerOf(file *os.File) (net.Listener, error) {
	defer file.Close()
	ln, err := net.FileListener(file)
	if err != nil {
		return nil, Wrong("the descriptor is not a listening socket")
	}
	return ln, nil
}

// CommandList are the commands that the caller may run.
type CommandList []CommandDoc

// CommandDoc names a command. Clients of QEMU read name and no more.
type CommandDoc struct {
	Name string `json:"name" doc:"of the command"`
	Doc  string `json:"doc" doc:"what it does"`
	Role string `json:"role" doc:"the least that may run it"`
	OOB  bool   `json:"allow-oob,omitempty" doc:"it may be run out of band"`
}

func (t *Table) queryCommands(_ context.Context, call *Call, _ struct{}) (CommandList, error) {
	list := CommandList{{"qmp_capabilities", "Begin", Viewer.String(), false}}
	for _, c := range t.Commands(call.Role) {
		list = append(list, CommandDoc{c.Name, c.Doc, c.Role.String(), c.OOB})
	}
	return list, nil
}

func queryEvents(context.Context, *Call, struct{}) ([]EventDoc, error) { return Events(), nil }

// VersionInfo is what query-version returns, as in the greeting.
type VersionInfo struct {
	QEMU struct {
		Micro int `json:"micro"`
		Minor int `json:"minor"`
		Major int `json:"major"`
	} `json:"qemu" doc:"number of the release"`
	Package string `json:"package" doc:"name and version of the program"`
}

func (b *Backend) queryVersion(context.Context, *Call, struct{}) (VersionInfo, error) {
	v := VersionInfo{Package: b.Version.Package}
	v.QEMU.Major, v.QEMU.Minor, v.QEMU.Micro = b.Version.Major, b.Version.Minor, b.Version.Micro
	return v, nil
}

// Audited makes events of the commands that change something: Table.Done for a
// gateway.
func Audited(gate *gateway.Gateway) func(call *Call, name string, args []byte, err error) {
	return func(call *Call, name string, args []byte, err error) {
		details := map[string]string{"command": name, "role": call.Role.String()}
		if text := strings.TrimSpace(string(args)); text != "" {
			details["arguments"] = clip(text)
		}
		gate.Emit(gateway.Event{Kind: gateway.Commanded, Actor: call.Actor, Err: err, Details: details})
	}
}
