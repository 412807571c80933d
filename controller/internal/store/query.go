package store

import (
	"fmt"
	"reflect"
	"strings"
)

// A Cond is one condition on a row; a list of them means all of them.
type Cond struct {
	column string
	op     string
	values []any
	any    []Cond   // op "or"
	set    []string // op "exists": see Exists
}

// Eq wants the column to have the value; nil means NULL.
func Eq(column string, value any) Cond { return Cond{column: column, op: "=", values: []any{value}} }

// Ne wants the column to differ from the value; NULL differs from all but nil.
func Ne(column string, value any) Cond { return Cond{column: column, op: "<>", values: []any{value}} }

// Gt wants the column to be more than the value.
func Gt(column string, value any) Cond { return Cond{column: column, op: ">", values: []any{value}} }

// Ge wants the column to be the value or more.
func Ge(column string, value any) Cond { return Cond{column: column, op: ">=", values: []any{value}} }

// Lt wants the column to be less than the value.
func Lt(column string, value any) Cond { return Cond{column: column, op: "<", values: []any{value}} }

// Le wants the column to be the value or less.
func Le(column string, value any) Cond { return Cond{column: column, op: "<=", values: []any{value}} }

// Contains wants the text column to contain the text, whatever it consists of.
func Contains(column, text string) Cond {
	return Cond{column: column, op: "LIKE", values: []any{"%" + escapeLike.Replace(text) + "%"}}
}

var escapeLike = strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`)

// In wants the column to have one of the values; none of them matches nothing.
func In[V any](column string, values ...V) Cond {
	c := Cond{column: column, op: "IN"}
	for _, v := range values {
		c.values = append(c.values, v)
	}
	return c
}

// Or wants one of the conditions.
func Or(conds ...Cond) Cond { return Cond{op: "or", any: conds} }

// All wants all of the conditions: for use inside an [Or].
func All(conds ...Cond) Cond { return Cond{op: "and", any: conds} }

// Sub wants the column to be among the results of a query that the author
// wrote: "SELECT server_id FROM tags WHERE tag = ?".
func Sub(column, query string, args ...any) Cond {
	return Cond{column: column, op: "sub", set: []string{query}, values: args}
}

// A Sort is one step of an order.
type Sort struct {
	Column string
	Desc   bool
}

// A Query says which rows, in which order, from where and how many. Marker is
// the key of the row that the list begins after; nil begins at the start.
type Query struct {
	Where    []Cond
	Sort     []Sort
	Marker   any
	Limit    int  // 0: all
	Backward bool // the page before Marker, in the same order
}

// And gives the query with more conditions.
func (q Query) And(conds ...Cond) Query {
	q.Where = append(q.Where[:len(q.Where):len(q.Where)], conds...)
	return q
}

// A clause is SQL text with its arguments.
type clause struct {
	text strings.Builder
	args []any
}

func (c *clause) add(text string, args ...any) {
	c.text.WriteString(text)
	c.args = append(c.args, args...)
}

// where adds " WHERE ..." for the conditions; known holds the columns.
func (c *clause) where(conds []Cond, known map[string]*column) error {
	if len(conds) == 0 {
		return nil
	}
	c.add(" WHERE ")
	return c.join(conds, " AND ", known)
}

func (c *clause) join(conds []Cond, with string, known map[string]*column) error {
	for i, cond := range conds {
		if i > 0 {
			c.add(with)
		}
		if err := c.cond(cond, known); err != nil {
			return err
		}
	}
	return nil
}

func (c *clause) cond(cond Cond, known map[string]*column) error {
	if cond.op == "or" || cond.op == "and" {
		if len(cond.any) == 0 {
			c.add(map[string]string{"or": "FALSE", "and": "TRUE"}[cond.op])
			return nil
		}
		c.add("(")
		if err := c.join(cond.any, " "+strings.ToUpper(cond.op)+" ", known); err != nil {
			return err
		}
		c.add(")")
		return nil
	}
	if known[cond.column] == nil {
		return fmt.Errorf("no column %q", cond.column)
	}
	name := quote(cond.column)
	switch {
	case cond.op == "sub":
		c.add(name+" IN ("+cond.set[0]+")", cond.values...)
	case cond.op == "IN" && len(cond.values) == 0:
		c.add("FALSE")
	case cond.op == "IN":
		c.add(name+" IN ("+marks(len(cond.values))+")", cond.values...)
	case cond.op == "=" && isNil(cond.values[0]):
		c.add(name + " IS NULL")
	case cond.op == "<>" && isNil(cond.values[0]):
		c.add(name + " IS NOT NULL")
	case cond.op == "<>":
		c.add("NOT "+name+" <=> ?", cond.values...)
	default:
		c.add(name+" "+cond.op+" ?", cond.values...)
	}
	return nil
}

func isNil(v any) bool {
	if v == nil {
		return true
	}
	r := reflect.ValueOf(v)
	return r.Kind() == reflect.Pointer && r.IsNil()
}

// marks is n question marks with commas.
func marks(n int) string { return strings.TrimSuffix(strings.Repeat("?, ", n), ", ") }

// quote makes a name that cannot be anything but a name.
func quote(name string) string { return "`" + strings.ReplaceAll(name, "`", "``") + "`" }
