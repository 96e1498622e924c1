package auth

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// When is a schedule: hours of days of the week. The zero value is always.
type When struct {
	// Days are days of the week or ranges of them: "sat", "mon-fri", "fri-mon".
	// Empty is every day.
	Days []string `yaml:"days,omitempty"`
	// Hours are ranges of a day's clock: "08:00-18:00". One that ends at or
	// before its start crosses midnight and belongs to the day on which it
	// starts: fri with 22:00-06:00 lasts into Saturday. Empty is the whole day.
	Hours []string `yaml:"hours,omitempty"`
	// Zone is the IANA name of the clock's time zone, such as Europe/Berlin;
	// "Local" is the machine's, "" is UTC.
	Zone string `yaml:"zone,omitempty"`
}

// IsZero reports whether the schedule is always open.
func (w When) IsZero() bool { return len(w.Days) == 0 && len(w.Hours) == 0 && w.Zone == "" }

// String writes the schedule: "mon-fri 08:00-18:00 Europe/Berlin".
func (w When) String() string {
	parts := append(slices.Clone(w.Days), w.Hours...)
	if w.Zone != "" {
		parts = append(parts, w.Zone)
	}
	return strings.Join(parts, " ")
}

// schedule is a When that can be followed.
type schedule struct {
	days  [7]bool // by time.Weekday
	spans []span
	zone  *time.Location
}

// span is minutes from a day's midnight; the end may be on the next day.
type span struct{ from, to int }

const dayMinutes = 24 * 60

var dayNames = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

// compile is nil for a schedule that is always open.
func (w When) compile() (*schedule, error) {
	if w.IsZero() {
		return nil, nil
	}
	if len(w.Days) == 0 && len(w.Hours) == 0 {
		return nil, errors.New("zone: is of no use without days or hours")
	}
	s := &schedule{}
	var err error
	if s.zone, err = time.LoadLocation(w.Zone); err != nil {
		return nil, fmt.Errorf("zone: unknown zone %q (like Europe/Berlin, UTC, Local)", w.Zone)
	}
	for _, text := range w.Days {
		if err := s.addDays(text); err != nil {
			return nil, fmt.Errorf("days: %w", err)
		}
	}
	if len(w.Days) == 0 {
		s.days = [7]bool{true, true, true, true, true, true, true}
	}
	for _, text := range w.Hours {
		one, err := parseSpan(text)
		if err != nil {
			return nil, fmt.Errorf("hours: %w", err)
		}
		s.spans = append(s.spans, one)
	}
	if len(w.Hours) == 0 {
		s.spans = []span{{0, dayMinutes}}
	}
	return s, nil
}

func (s *schedule) addDays(text string) error {
	first, last, many := strings.Cut(text, "-")
	from := slices.Index(dayNames, first)
	to := from
	if many {
		to = slices.Index(dayNames, last)
	}
	if from < 0 || to < 0 {
		return fmt.Errorf("%q is no day or range of days (like mon, sat, mon-fri)", text)
	}
	for day := from; ; day = (day + 1) % 7 {
		s.days[day] = true
		if day == to {
			return nil
		}
	}
}

func parseSpan(text string) (span, error) {
	first, last, _ := strings.Cut(text, "-")
	from, ok1 := parseClock(first)
	to, ok2 := parseClock(last)
	switch {
	case !ok1 || !ok2 || from == dayMinutes:
		return span{}, fmt.Errorf("%q is no range of hours (like 08:00-18:00, 22:00-06:00)", text)
	case from == to:
		return span{}, fmt.Errorf("%q has no length; leave hours out for the whole day", text)
	case to < from:
		to += dayMinutes
	}
	return span{from, to}, nil
}

// parseClock reads 00:00 to 24:00 as minutes.
func parseClock(text string) (minutes int, ok bool) {
	if text == "24:00" {
		return dayMinutes, true
	}
	t, err := time.Parse("15:04", text)
	return t.Hour()*60 + t.Minute(), err == nil && len(text) == len("15:04")
}

// at reports whether the schedule is open at now, and when that next may
// change. The clock is that of the wall: where it is put back an hour counts
// twice, where it is put forward an hour is missing.
func (s *schedule) at(now time.Time) (open bool, change time.Time) {
	year, month, day := now.In(s.zone).Date()
	// From yesterday, whose night may last until now, to this day in a week.
	for offset := -1; offset <= 7; offset++ {
		if !s.days[time.Date(year, month, day+offset, 12, 0, 0, 0, time.UTC).Weekday()] {
			continue
		}
		for _, one := range s.spans {
			from := time.Date(year, month, day+offset, 0, one.from, 0, 0, s.zone)
			to := time.Date(year, month, day+offset, 0, one.to, 0, 0, s.zone)
			if now.Before(from) {
				change = sooner(change, from)
			} else if now.Before(to) {
				open, change = true, sooner(change, to)
			}
		}
		if offset > 0 && !change.IsZero() {
			break // what starts later changes later
		}
	}
	return open, change
}
