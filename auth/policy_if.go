package auth

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/ext"
	"cel.dev/cel-go/interpreter"
)

// Bounds of conditions.
const (
	maxCondition      = 4096   // characters of an expression
	maxConditionDepth = 64     // of nesting
	maxConditionCost  = 10_000 // of one evaluation, in CEL's units: some thousand steps
	maxConditionRegex = 2_000  // instructions of a regular expression
	// conditionPeriod is how long an answer holds that depends on now, which no
	// schedule can foresee.
	conditionPeriod = time.Second
)

// errCondition is why a condition without a value is no condition.
var errCondition = errors.New("if: has no value")

// condition is an expression of the Common Expression Language, checked and
// ready to run. It reaches nothing but the request.
type condition struct {
	program cel.Program
	timed   bool // it looks at now
}

// conditionNames are the variables of conditions.
const conditionNames = "user, groups, method, address, target, now, claims"

// conditions compiles the conditions of one policy.
type conditions struct{ env *cel.Env }

// open makes the environment for the first condition there is.
func (c *conditions) open() (err error) {
	if c.env != nil {
		return nil
	}
	c.env, err = cel.NewEnv(
		cel.Variable("user", cel.StringType),
		cel.Variable("groups", cel.ListType(cel.StringType)),
		cel.Variable("method", cel.StringType),
		cel.Variable("address", cel.StringType),
		cel.Variable("target", cel.StringType),
		cel.Variable("now", cel.TimestampType),
		cel.Variable("claims", cel.MapType(cel.StringType, cel.DynType)),
		ext.Network(),
		cel.ParserExpressionSizeLimit(maxCondition),
		cel.ParserRecursionLimit(maxConditionDepth),
		cel.RegexProgramSizeLimit(maxConditionRegex),
		cel.DefaultUTCTimeZone(true),
		cel.ASTValidators(cel.ValidateDurationLiterals(), cel.ValidateTimestampLiterals(), cel.ValidateRegexLiterals()),
	)
	return err
}

// compile checks an expression; errors name its line and column.
func (c *conditions) compile(text string) (*condition, error) {
	if err := c.open(); err != nil {
		return nil, err
	}
	checked, issues := c.env.Compile(text)
	if issues.Err() != nil {
		return nil, explainIssues(issues)
	}
	if kind := checked.OutputType(); !kind.IsExactType(cel.BoolType) {
		return nil, fmt.Errorf("gives %s and not bool; compare it with something", kind)
	}
	program, err := c.env.Program(checked, cel.CostLimit(maxConditionCost), cel.EvalOptions(cel.OptOptimize))
	if err != nil {
		return nil, err
	}
	return &condition{program, mentions(checked.NativeRep().Expr(), "now")}, nil
}

func explainIssues(issues *cel.Issues) error {
	first := issues.Errors()[0]
	words, _, _ := strings.Cut(first.Message, " (in container '')")
	if strings.HasPrefix(words, "undeclared") && strings.HasSuffix(words, "'") {
		words += " (there are: " + conditionNames + ")"
	}
	if first.Location.Line() < 1 {
		return errors.New(strings.TrimSpace(words)) // of the whole: too long, too deep
	}
	return fmt.Errorf("line %d, column %d: %s", first.Location.Line(), first.Location.Column()+1, words)
}

// mentions reports whether an expression uses a variable.
func mentions(e ast.Expr, name string) bool {
	found := false
	ast.PostOrderVisit(e, ast.NewExprVisitor(func(e ast.Expr) {
		found = found || e.Kind() == ast.IdentKind && e.AsIdent() == name
	}))
	return found
}

// holds reports whether the condition is true of one identity of a request. An
// error says nothing of what the claims hold.
func (c *condition) holds(req *Request, id *Identity) (bool, error) {
	value, _, err := c.program.Eval(&facts{req, id})
	if err != nil {
		return false, explainEval(err)
	}
	held, ok := value.Value().(bool)
	if !ok {
		return false, errCondition
	}
	return held, nil
}

func explainEval(err error) error {
	var cancelled interpreter.EvalCancelledError
	switch {
	case errors.As(err, &cancelled):
		return fmt.Errorf("%w: it took more than %d steps", errCondition, maxConditionCost)
	case strings.HasPrefix(err.Error(), "no such key"):
		return fmt.Errorf("%w: %w; ask has(…) first", errCondition, err)
	case strings.HasPrefix(err.Error(), "no such overload"):
		return fmt.Errorf("%w: a claim is of another kind than it is compared with", errCondition)
	}
	return fmt.Errorf("%w for what the viewer brings", errCondition)
}

// facts are the variables of a condition.
type facts struct {
	req *Request
	id  *Identity
}

// ResolveName gives a variable's value.
func (f *facts) ResolveName(name string) (any, bool) {
	switch name {
	case "user":
		return f.id.Name, true
	case "groups":
		return f.id.Groups, true
	case "method":
		return f.id.Method, true
	case "address":
		if !f.req.Address.IsValid() {
			return "", true
		}
		return f.req.Address.Unmap().WithZone("").String(), true
	case "target":
		return f.req.Target, true
	case "now":
		return f.req.Now, true
	case "claims":
		if f.req.Claims == nil {
			return map[string]any{}, true
		}
		return f.req.Claims, true
	}
	return nil, false
}

// Parent is no other source of variables.
func (f *facts) Parent() cel.Activation { return nil }
