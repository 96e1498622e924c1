package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"vncgate/gateway/control"
)

const (
	lookEvery  = time.Second // between two looks of watch and top
	lastEvents = 12          // that watch shows
)

func (c *ctl) eventsCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "events",
		Short: "Write a line for everything that happens, until it is interrupted",
		Example: `  vncgate ctl events
  vncgate ctl events --json | jq -r 'select(.event == "AUTH_FAILED") | .data.from'`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.with(cmd, func(ctx context.Context, list []process) error {
				return c.follow(ctx, list, func(e control.ClientEvent) error {
					text := eventLine(e)
					if c.json {
						text = strings.TrimSpace(string(e.Line))
					}
					_, err := fmt.Fprintln(cmd.OutOrStdout(), text)
					return err
				})
			})
		},
	}
}

// follow shows f every event of every process, until one has ended or ctx does.
func (c *ctl) follow(ctx context.Context, list []process, f func(control.ClientEvent) error) error {
	for {
		e, err := nextEvent(ctx, list)
		if err != nil || ctx.Err() != nil {
			return err
		}
		if err := f(e); err != nil {
			return err
		}
	}
}

var errGatewayEnded = errors.New("the gateway has ended, or has closed the connection")

// nextEvent waits for one of the first process, or takes what others have.
func nextEvent(ctx context.Context, list []process) (control.ClientEvent, error) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		for _, p := range list[1:] {
			select {
			case e, ok := <-p.Events():
				if ok {
					return e, nil
				}
			default:
			}
		}
		select {
		case e, ok := <-list[0].Events():
			if !ok {
				return e, errGatewayEnded
			}
			return e, nil
		case <-ctx.Done():
			return control.ClientEvent{}, nil
		case <-tick.C:
		}
	}
}

// eventLine is an event for people.
func eventLine(e control.ClientEvent) string {
	var d control.EventData
	_ = json.Unmarshal(e.Data, &d)
	parts := []string{e.Time.Local().Format("15:04:05"), fmt.Sprintf("%-21s", e.Name)}
	if s := d.Session; s != nil {
		parts = append(parts, s.ID, cmp.Or(s.User, fromText(s.From)), "on "+cmp.Or(s.Target, "?"))
	} else {
		parts = append(parts, d.Target, fromText(d.From))
	}
	parts = append(parts, d.Reason)
	if d.Error != "" && !strings.Contains(d.Reason, d.Error) {
		parts = append(parts, "("+d.Error+")")
	}
	if d.Seconds > 0 {
		parts = append(parts, "after "+time.Duration(d.Seconds*float64(time.Second)).Round(time.Second).String())
	}
	for _, name := range keys(d.Details) {
		parts = append(parts, name+"="+d.Details[name])
	}
	if d.Actor != "" {
		parts = append(parts, "by "+d.Actor)
	}
	if d.Missed > 0 {
		parts = append(parts, fmt.Sprintf("(and %d more)", d.Missed))
	}
	return cellText(spaced(parts))
}

func (c *ctl) watchCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "watch",
		Short: "Show sessions and events as they come and go; q ends it",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.look(cmd, &view{events: true})
		},
	}
}

func (c *ctl) topCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "top",
		Short: "Show the sessions that move most; q ends it",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.look(cmd, &view{byTraffic: true})
		},
	}
}

// look draws v again and again. Where there is no terminal it draws once.
func (c *ctl) look(cmd *cobra.Command, v *view) error {
	out := cmd.OutOrStdout()
	file, _ := out.(*os.File)
	live := file != nil && term.IsTerminal(int(file.Fd()))
	return c.with(cmd, func(ctx context.Context, list []process) error {
		if !live {
			return v.once(ctx, out, list)
		}
		ctx, stop := untilKey(ctx, cmd.InOrStdin())
		defer stop()
		fmt.Fprint(out, "\x1b[?1049h\x1b[?25l") // the other screen, without a cursor
		defer fmt.Fprint(out, "\x1b[?25h\x1b[?1049l")
		tick := time.NewTicker(lookEvery)
		defer tick.Stop()
		for {
			width, height, err := term.GetSize(int(file.Fd()))
			if err != nil {
				return err
			}
			text, err := v.draw(ctx, list, height)
			if err != nil || ctx.Err() != nil {
				return notInterrupted(ctx, err)
			}
			fmt.Fprint(out, "\x1b[H"+screen(text, width, height)+"\x1b[J")
			select {
			case <-ctx.Done():
				return nil
			case <-tick.C:
			}
		}
	})
}

// notInterrupted is err, unless somebody has ended us.
func notInterrupted(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// screen cuts text to what fits.
func screen(text string, width, height int) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	lines = lines[:min(len(lines), height)]
	for i, line := range lines {
		if r := []rune(line); len(r) > width {
			line = string(r[:width])
		}
		lines[i] = line + "\x1b[K"
	}
	return strings.Join(lines, "\r\n")
}

// view is what watch and top show.
type view struct {
	events    bool
	byTraffic bool

	seen   []string // the last events
	before map[string]moved
}

// moved is what a session had moved, and when.
type moved struct {
	up, down int64
	at       time.Time
}

// once shows two looks in one, so that there is a rate.
func (v *view) once(ctx context.Context, out io.Writer, list []process) error {
	if _, err := v.draw(ctx, list, 0); err != nil {
		return err
	}
	if v.byTraffic {
		select {
		case <-time.After(lookEvery):
		case <-ctx.Done():
		}
	}
	text, err := v.draw(ctx, list, 1000)
	if err == nil {
		_, err = fmt.Fprint(out, text)
	}
	return notInterrupted(ctx, err)
}

// draw is one look, of height lines.
func (v *view) draw(ctx context.Context, list []process, height int) (string, error) {
	var b strings.Builder
	var rows []trafficRow
	now := map[string]moved{}
	for _, p := range list {
		var stats control.Stats
		if err := v.stats(ctx, p, &stats); err != nil {
			return "", err
		}
		fmt.Fprintln(&b, cellText(statsLine(p, &stats)))
		all, err := sessionsOf(ctx, p)
		if err != nil {
			return "", err
		}
		for _, s := range all {
			rows = append(rows, v.row(p.name, s, now))
		}
	}
	v.before = now
	if v.byTraffic {
		slices.SortStableFunc(rows, func(a, b trafficRow) int { return cmp.Compare(b.up+b.down, a.up+a.down) })
	}
	room := height - 4 - len(list)
	if v.events {
		v.takeEvents(list)
		room -= len(v.seen) + 1
	}
	fmt.Fprintln(&b)
	if err := v.table(&b, rows, max(room, 3), len(list) > 1); err != nil {
		return "", err
	}
	if v.events {
		fmt.Fprintln(&b)
		for _, line := range v.seen {
			fmt.Fprintln(&b, line)
		}
	}
	return b.String(), nil
}

func (v *view) stats(ctx context.Context, p process, stats *control.Stats) error {
	got, err := p.Run(ctx, "query-stats", nil)
	if err != nil {
		return err
	}
	return json.Unmarshal(got, stats)
}

func statsLine(p process, s *control.Stats) string {
	line := fmt.Sprintf("%s  process %d  up %s  open %d  paused %d  waiting %d  handshakes %d  memory %s",
		s.Version, s.PID, since(s.Started), s.Open, s.Paused, s.Waiting, s.Handshakes, bytesText(int64(s.Memory)))
	if s.Draining {
		line += "  DRAINING"
		if !s.DrainEnds.IsZero() {
			line += " until " + s.DrainEnds.Local().Format("15:04:05")
		}
	}
	if p.name != "" {
		line += "  (older)"
	}
	return line
}

// sessionsOf asks for all pages.
func sessionsOf(ctx context.Context, p process) (all []control.Session, err error) {
	for after := ""; ; {
		got, err := p.Run(ctx, "query-sessions", map[string]string{"after": after})
		if err != nil {
			return nil, err
		}
		var page control.SessionList
		if err := json.Unmarshal(got, &page); err != nil {
			return nil, fmt.Errorf("ctl: %w", err)
		}
		all = append(all, page.Sessions...)
		if after = page.Next; after == "" {
			return all, nil
		}
	}
}

// trafficRow is a session with what it moves in a second.
type trafficRow struct {
	process  string
	s        control.Session
	up, down float64
}

func (v *view) row(process string, s control.Session, now map[string]moved) trafficRow {
	r := trafficRow{process: process, s: s}
	at := moved{s.BytesUp, s.BytesDown, time.Now()}
	if was, ok := v.before[s.ID]; ok {
		if d := at.at.Sub(was.at).Seconds(); d > 0 {
			r.up, r.down = float64(at.up-was.up)/d, float64(at.down-was.down)/d
		}
	}
	now[s.ID] = at
	return r
}

func (v *view) table(w io.Writer, rows []trafficRow, room int, processes bool) error {
	head := []string{"ID", "STATE", "USER", "FROM", "TARGET", "FOR", "UP/S", "DOWN/S", "DOWN", "RTT"}
	classes := slices.ContainsFunc(rows, func(r trafficRow) bool { return inClass(&r.s) })
	if classes {
		head = append(head, "CLASS")
	}
	if processes {
		head = append([]string{"PROCESS"}, head...)
	}
	var lines [][]string
	for _, r := range rows[:min(len(rows), room)] {
		c := sessionRow(r.s)
		line := []string{c[0], c[1], c[2], c[3], c[4], c[6], bytesText(int64(r.up)), bytesText(int64(r.down)), c[8], c[9]}
		if classes {
			line = append(line, r.s.Class)
		}
		if processes {
			line = append([]string{orText(r.process, "current")}, line...)
		}
		lines = append(lines, line)
	}
	if err := table(w, head, lines); err != nil {
		return err
	}
	if more := len(rows) - len(lines); more > 0 {
		fmt.Fprintf(w, "and %d more\n", more)
	}
	return nil
}

func (v *view) takeEvents(list []process) {
	for _, p := range list {
		for taken := false; !taken; {
			select {
			case e, ok := <-p.Events():
				taken = !ok
				if ok {
					v.seen = append(v.seen, eventLine(e))
				}
			default:
				taken = true
			}
		}
	}
	v.seen = v.seen[max(len(v.seen)-lastEvents, 0):]
}
