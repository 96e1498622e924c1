package main

import (
	"fmt"
	"slices"
	"strings"
)

// Command lines as scripts write them for websockify: options before, between
// and behind the arguments, "--opt value" and "--opt=value", any beginning of
// an option's name that fits no other, short flags in a cluster ("-vD"), and
// everything behind the first "--" is a command to run (Python's optparse).

// A longOption is one option of such a command line.
type longOption struct {
	name  string // "verify-client"
	short byte   // 'v'; 0 for none
	value string // what to call its value in the help; "" for a flag
	group string // the heading in the help
	help  string
	// choices are the values it takes; none: any.
	choices []string
	// set is given "" for a flag.
	set func(*websockifyOptions, string) error
}

// A commandLine is what was written, before it means anything.
type commandLine struct {
	given     []givenOption
	arguments []string
	command   []string // behind "--"; nil where there is none
}

type givenOption struct {
	option *longOption
	value  string
}

// parseCommandLine takes args apart by the options there are.
func parseCommandLine(args []string, options []longOption) (commandLine, error) {
	var line commandLine
	if i := slices.Index(args, "--"); i >= 0 {
		line.command = append([]string{}, args[i+1:]...)
		args = args[:i]
	}
	for len(args) > 0 {
		arg := args[0]
		args = args[1:]
		var err error
		switch {
		case strings.HasPrefix(arg, "--"):
			args, err = line.long(arg[2:], args, options)
		case len(arg) > 1 && arg[0] == '-':
			args, err = line.cluster(arg[1:], args, options)
		default:
			line.arguments = append(line.arguments, arg)
		}
		if err != nil {
			return commandLine{}, err
		}
	}
	return line, nil
}

// long takes "name" or "name=value" and the value behind it.
func (l *commandLine) long(text string, rest []string, options []longOption) ([]string, error) {
	name, value, joined := strings.Cut(text, "=")
	o, err := findOption(name, options)
	if err != nil {
		return nil, err
	}
	if o.value == "" {
		if joined {
			return nil, fmt.Errorf("--%s takes no value, so write it without \"=\"", o.name)
		}
		return rest, l.add(o, "")
	}
	if joined {
		return rest, l.add(o, value)
	}
	if len(rest) == 0 {
		return nil, needsValue(o)
	}
	return rest[1:], l.add(o, rest[0])
}

// cluster takes short flags; one with a value takes the rest as that.
func (l *commandLine) cluster(text string, rest []string, options []longOption) ([]string, error) {
	for i := range len(text) {
		at := slices.IndexFunc(options, func(o longOption) bool { return o.short == text[i] })
		if at < 0 {
			return nil, unknownShort(text, i, options)
		}
		o := &options[at]
		switch {
		case o.value == "":
			if err := l.add(o, ""); err != nil {
				return nil, err
			}
		case i+1 < len(text):
			return rest, l.add(o, text[i+1:])
		case len(rest) == 0:
			return nil, needsValue(o)
		default:
			return rest[1:], l.add(o, rest[0])
		}
	}
	return rest, nil
}

func (l *commandLine) add(o *longOption, value string) error {
	if len(o.choices) > 0 && !slices.Contains(o.choices, value) {
		return fmt.Errorf("--%s: %w", o.name, notOneOf("value", value, o.choices))
	}
	l.given = append(l.given, givenOption{o, value})
	return nil
}

// findOption finds the option of that name, or the only one that begins so.
func findOption(name string, options []longOption) (*longOption, error) {
	var fits []string
	var found *longOption
	for i := range options {
		o := &options[i]
		if o.name == name {
			return o, nil
		}
		if name != "" && strings.HasPrefix(o.name, name) {
			found = o
			fits = append(fits, "--"+o.name)
		}
	}
	switch len(fits) {
	case 1:
		return found, nil
	case 0:
		return nil, unknownOption(name, options)
	}
	return nil, fmt.Errorf("--%s may be %s: write more of it", name, strings.Join(fits, " or "))
}

// unknownOption guesses what was meant.
func unknownOption(name string, options []longOption) error {
	var known []string
	for _, o := range options {
		known = append(known, o.name)
	}
	if guess := nearest(name, known); guess != "" {
		return fmt.Errorf("there is no option --%s; did you mean --%s?", name, guess)
	}
	return fmt.Errorf("there is no option --%s", name)
}

// unknownShort knows that "-timeout" was meant to have two dashes.
func unknownShort(text string, i int, options []longOption) error {
	name, _, _ := strings.Cut(text, "=")
	if o, err := findOption(name, options); err == nil && len(name) > 1 {
		return fmt.Errorf("there is no option -%c; did you mean --%s, with two dashes?", text[i], o.name)
	}
	return fmt.Errorf("there is no option -%c", text[i])
}

func needsValue(o *longOption) error {
	return fmt.Errorf("--%s needs a value behind it: --%s %s", o.name, o.name, o.value)
}
