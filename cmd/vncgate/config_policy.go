package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"

	"vncgate/auth"
)

// oneOrMore is written as a text, or as a list of them.
type oneOrMore []string

// UnmarshalYAML takes either form.
func (l *oneOrMore) UnmarshalYAML(unmarshal func(any) error) error {
	var one string
	if unmarshal(&one) == nil {
		*l = oneOrMore{one}
		return nil
	}
	return unmarshal((*[]string)(l))
}

// MarshalYAML writes a single entry as a text.
func (l oneOrMore) MarshalYAML() (any, error) {
	if len(l) == 1 {
		return l[0], nil
	}
	return []string(l), nil
}

// ruleConfig is a rule of the policy: auth.Rule has what each field means.
type ruleConfig struct {
	Name    string      `yaml:"name,omitempty"`
	Who     oneOrMore   `yaml:"who"`
	Methods oneOrMore   `yaml:"methods,omitempty"`
	From    oneOrMore   `yaml:"from,omitempty"`
	Targets oneOrMore   `yaml:"targets"`
	When    *whenConfig `yaml:"when,omitempty"`
	If      string      `yaml:"if,omitempty"`
	Allow   oneOrMore   `yaml:"allow,omitempty"`
	Deny    oneOrMore   `yaml:"deny,omitempty"`
	Limits  auth.Limits `yaml:"limits,omitempty"`
	Class   string      `yaml:"class,omitempty"` // that the sessions run in
}

// whenConfig is the schedule of a rule.
type whenConfig struct {
	Days  oneOrMore `yaml:"days,omitempty"`
	Hours oneOrMore `yaml:"hours,omitempty"`
	Zone  string    `yaml:"zone,omitempty"`
}

// rule is r as package auth has it.
func (r *ruleConfig) rule() (auth.Rule, error) {
	rule := auth.Rule{Name: r.Name, Who: r.Who, Methods: r.Methods, From: r.From, Targets: r.Targets, If: r.If, Limits: r.Limits, Class: r.Class}
	if r.When != nil {
		rule.When = auth.When{Days: r.When.Days, Hours: r.When.Hours, Zone: r.When.Zone}
		if rule.When.IsZero() {
			return rule, errors.New("when: says neither days nor hours; leave it out for always")
		}
	}
	if len(r.Allow) == 0 && len(r.Deny) == 0 {
		return rule, errors.New("allow: is missing; a rule that forbids says allow: [] and deny: [all]")
	}
	var err error
	if rule.Allow, err = parseRights(r.Allow); err != nil {
		return rule, fmt.Errorf("allow: %w", err)
	}
	if rule.Deny, err = parseRights(r.Deny); err != nil {
		return rule, fmt.Errorf("deny: %w", err)
	}
	return rule, nil
}

// parseRights is auth.ParseRights with a guess at what a name was meant to be.
func parseRights(list []string) (auth.Rights, error) {
	for _, name := range list {
		if !slices.Contains(auth.RightNames(), name) {
			return 0, notOneOf("right", name, auth.RightNames())
		}
	}
	return auth.ParseRights(list)
}

// rules compiles a list of them; errors count from 0, as the file does.
func rules(list []ruleConfig) (*auth.Policy, error) {
	if len(list) == 0 {
		return nil, errors.New("policy: there is no rule in it, so nobody could do anything; leave it out to allow everything")
	}
	var all []auth.Rule
	for i := range list {
		rule, err := list[i].rule()
		if err == nil {
			_, err = auth.NewPolicy([]auth.Rule{rule})
		}
		if err != nil {
			return nil, fmt.Errorf("policy[%d]: %w", i, plainRule(err))
		}
		all = append(all, rule)
	}
	return auth.NewPolicy(all)
}

// plainRule leaves out the number that a rule has alone.
func plainRule(err error) error {
	if text, ok := strings.CutPrefix(err.Error(), "auth: policy rule 1: "); ok {
		return errors.New(text)
	}
	return err
}

// policy compiles the rules of the file itself; nil when there are none.
func (c *config) policy() (*auth.Policy, error) {
	switch {
	case c.Policy != nil && c.PolicyFile != "":
		return nil, errors.New("policy and policy_file exclude each other: the rules are in one place")
	case c.Policy == nil:
		return nil, nil
	}
	return rules(c.Policy)
}

// hasPolicy reports whether there are rules, wherever they are.
func (c *config) hasPolicy() bool { return len(c.Policy) > 0 || c.PolicyFile != "" }

// maxPolicyFile is the most bytes of a file of rules.
const maxPolicyFile = 4 << 20

// watchPolicy reads a file of rules, which counts anew when it changes: lines
// as auth.ParseRules has them, or a list as in the configuration where its name
// ends in .yaml or .yml. A class for which known has an error is a mistake in it;
// nil knows all.
func watchPolicy(path string, known func(class string) error) (*auth.Watched[*auth.Policy], error) {
	parse := parsePolicyLines
	if isYAML(path) {
		parse = parsePolicyYAML
	}
	return auth.Watch("policy file", path, maxPolicyFile, func(text []byte) (*auth.Policy, error) {
		policy, err := parse(text)
		if err != nil || known == nil {
			return policy, err
		}
		for i, r := range policy.Rules() {
			if err := known(r.Class); err != nil {
				return nil, fmt.Errorf("rule %d: %w", i+1, err)
			}
		}
		return policy, nil
	})
}

func isYAML(path string) bool {
	ext := filepath.Ext(path)
	return ext == ".yaml" || ext == ".yml"
}

func parsePolicyLines(text []byte) (*auth.Policy, error) {
	list, err := auth.ParseRules(string(text))
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, errors.New("there is no rule in it; a rule that forbids all is: who=* target=* deny=all")
	}
	return auth.NewPolicy(list)
}

func parsePolicyYAML(text []byte) (*auth.Policy, error) {
	if err := checkShape(text); err != nil {
		return nil, err
	}
	var list []ruleConfig
	if err := yaml.UnmarshalWithOptions(text, &list, yaml.Strict()); err != nil {
		return nil, explainYAML(err)
	}
	return rules(list)
}

// loadPolicy reads the rules that a configuration has, from its file or its own
// lines; nil if it has none.
func (c *config) loadPolicy() (*auth.Policy, error) {
	if c.PolicyFile == "" {
		return c.policy()
	}
	watched, err := watchPolicy(c.PolicyFile, c.knowsClass)
	if err != nil {
		return nil, explainPolicyFile(err, c.PolicyFile)
	}
	policy, err := watched.Current()
	return policy, err
}

func explainPolicyFile(err error, path string) error {
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("policy_file: %w\nwrite rules to it, one a line, such as: who=group:ops target=* allow=all", err)
	}
	return fmt.Errorf("policy_file: %w\n'vncgate policy test --policy %s' says more", err, path)
}
