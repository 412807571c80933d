package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/cairn-cloud/cairn/controller/internal/cloud"
)

// A Table reads and writes rows of one table as structs of type T. It works on
// its DB by itself; [Table.In] gives the same table inside a transaction.
type Table[T any] struct {
	name  string
	db    *DB
	q     Querier
	cols  []column
	known map[string]*column
	key   *column
	noun  string
}

// NewTable describes a table. It panics if the tags of T are wrong: that is a
// mistake in the program, found when it starts.
func NewTable[T any](db *DB, name string) *Table[T] {
	cols, err := columnsOf(reflect.TypeFor[T]())
	if err != nil {
		panic(fmt.Sprintf("store: table %s: %v", name, err))
	}
	t := &Table[T]{name: name, db: db, q: db, cols: cols, known: map[string]*column{}}
	t.noun = strings.ReplaceAll(strings.TrimSuffix(name, "s"), "_", " ")
	for i := range cols {
		t.known[cols[i].name] = &cols[i]
		if cols[i].key {
			t.key = &cols[i]
		}
	}
	if t.key == nil {
		panic(fmt.Sprintf("store: table %s: no field of %s has the word key in its db tag", name, reflect.TypeFor[T]()))
	}
	return t
}

// In is the table inside a transaction.
func (t *Table[T]) In(q Querier) *Table[T] {
	u := *t
	u.q = q
	return &u
}

// DB is where the table is.
func (t *Table[T]) DB() *DB { return t.db }

// Key is the name of the column that addresses a row.
func (t *Table[T]) Key() string { return t.key.name }

// HasColumn tells whether rows have the column.
func (t *Table[T]) HasColumn(name string) bool { return t.known[name] != nil }

// Insert adds a row. A row with the same unique key is a Conflict.
func (t *Table[T]) Insert(ctx context.Context, row *T) error {
	var names []string
	var args []any
	v := reflect.ValueOf(row).Elem()
	for i := range t.cols {
		c := &t.cols[i]
		if c.auto {
			continue
		}
		arg, err := c.value(v)
		if err != nil {
			return fmt.Errorf("insert into %s: %w", t.name, err)
		}
		names = append(names, quote(c.name))
		args = append(args, arg)
	}
	_, err := t.q.ExecContext(ctx, "INSERT INTO "+quote(t.name)+" ("+strings.Join(names, ", ")+") VALUES ("+marks(len(args))+")", args...)
	return t.failed("insert into", err)
}

// failed classifies what MariaDB refused.
func (t *Table[T]) failed(doing string, err error) error {
	switch number(err) {
	case 0:
		if err == nil {
			return nil
		}
		return fmt.Errorf("%s %s: %w", doing, t.name, err)
	case errDuplicate:
		return cloud.Conflict("A %s with the same name or id exists already.", t.noun).Because(err)
	case errReferenced:
		return cloud.Conflict("The %s is in use.", t.noun).Because(err)
	case errNoReferred:
		return cloud.Conflict("What the %s refers to does not exist.", t.noun).Because(err)
	default:
		return fmt.Errorf("%s %s: %w", doing, t.name, err)
	}
}

// Get reads the row with the key; NotFound if there is none.
func (t *Table[T]) Get(ctx context.Context, key any) (*T, error) {
	return t.one(ctx, []Cond{Eq(t.key.name, key)}, "", key)
}

// Lock reads the row with the key and holds it until the transaction ends.
func (t *Table[T]) Lock(ctx context.Context, key any) (*T, error) {
	return t.one(ctx, []Cond{Eq(t.key.name, key)}, " FOR UPDATE", key)
}

// First reads one row that meets the conditions, NotFound if there is none.
func (t *Table[T]) First(ctx context.Context, where ...Cond) (*T, error) {
	return t.one(ctx, where, "", nil)
}

func (t *Table[T]) one(ctx context.Context, where []Cond, suffix string, key any) (*T, error) {
	c := t.selects()
	if err := c.where(where, t.known); err != nil {
		return nil, fmt.Errorf("select from %s: %w", t.name, err)
	}
	c.add(" LIMIT 1" + suffix)
	rows, err := t.scan(ctx, c)
	switch {
	case err != nil:
		return nil, err
	case len(rows) == 0 && key != nil:
		return nil, cloud.NotFound("Could not find %s: %v.", t.noun, key)
	case len(rows) == 0:
		return nil, cloud.NotFound("Could not find the %s.", t.noun)
	}
	return &rows[0], nil
}

// List reads rows. A marker that is not among them is a BadRequest. Rows with
// equal sort columns are ordered by key, so that paging visits each row once.
func (t *Table[T]) List(ctx context.Context, q Query) ([]T, error) {
	c, err := t.query(ctx, q)
	if err != nil {
		return nil, err
	}
	rows, err := t.scan(ctx, c)
	if q.Backward {
		for i, j := 0, len(rows)-1; i < j; i, j = i+1, j-1 {
			rows[i], rows[j] = rows[j], rows[i]
		}
	}
	return rows, err
}

// Each hands the rows of a query over one by one as they are read, so that
// they need not all be in memory. It ends with the first error of f. Rows of a
// page before a marker come backwards.
func (t *Table[T]) Each(ctx context.Context, q Query, f func(row *T) error) error {
	c, err := t.query(ctx, q)
	if err != nil {
		return err
	}
	return t.each(ctx, c, f)
}

// query is the SELECT of q.
func (t *Table[T]) query(ctx context.Context, q Query) (*clause, error) {
	order := t.order(q)
	c := t.selects()
	where := q.Where
	if q.Marker != nil {
		after, err := t.after(ctx, q, order)
		if err != nil {
			return nil, err
		}
		where = q.And(after).Where
	}
	if err := c.where(where, t.known); err != nil {
		return nil, fmt.Errorf("list %s: %w", t.name, err)
	}
	for i, s := range order {
		if t.known[s.Column] == nil {
			return nil, fmt.Errorf("list %s: no column %q to sort by", t.name, s.Column)
		}
		c.add([]string{" ORDER BY ", ", "}[min(i, 1)] + quote(s.Column))
		if s.Desc {
			c.add(" DESC")
		}
	}
	if q.Limit > 0 {
		c.add(" LIMIT ?", q.Limit)
	}
	return c, nil
}

// order is the sort of q made total, and turned round for a page before the
// marker.
func (t *Table[T]) order(q Query) []Sort {
	order := append([]Sort(nil), q.Sort...)
	total := false
	for _, s := range order {
		total = total || s.Column == t.key.name
	}
	if !total {
		desc := len(order) > 0 && order[len(order)-1].Desc
		order = append(order, Sort{Column: t.key.name, Desc: desc})
	}
	if q.Backward {
		for i := range order {
			order[i].Desc = !order[i].Desc
		}
	}
	return order
}

// after is the condition of the rows behind the marker. NULL sorts first, as
// in MariaDB.
func (t *Table[T]) after(ctx context.Context, q Query, order []Sort) (Cond, error) {
	row, err := t.one(ctx, q.And(Eq(t.key.name, q.Marker)).Where, "", q.Marker)
	if cloud.IsNotFound(err) {
		return Cond{}, cloud.BadRequest("marker [%v] not found", q.Marker).Because(err)
	}
	if err != nil {
		return Cond{}, err
	}
	v := reflect.ValueOf(row).Elem()
	var either, same []Cond
	for _, s := range order {
		col := t.known[s.Column]
		if col == nil {
			return Cond{}, fmt.Errorf("list %s: no column %q to sort by", t.name, s.Column)
		}
		value, err := col.value(v)
		if err != nil {
			return Cond{}, err
		}
		if beyond, ok := beyond(s, value); ok {
			either = append(either, All(append(same[:len(same):len(same)], beyond)...))
		}
		same = append(same, Eq(s.Column, value))
	}
	return Or(either...), nil
}

// beyond wants the column to sort behind value; not ok if nothing does.
func beyond(s Sort, value any) (c Cond, ok bool) {
	switch {
	case s.Desc && isNil(value):
		return Cond{}, false
	case s.Desc:
		return Or(Lt(s.Column, value), Eq(s.Column, nil)), true
	case isNil(value):
		return Ne(s.Column, nil), true
	default:
		return Gt(s.Column, value), true
	}
}

// Count counts the rows that meet the conditions.
func (t *Table[T]) Count(ctx context.Context, where ...Cond) (int64, error) {
	var c clause
	c.add("SELECT COUNT(*) FROM " + quote(t.name))
	if err := c.where(where, t.known); err != nil {
		return 0, fmt.Errorf("count %s: %w", t.name, err)
	}
	var n int64
	if err := t.q.QueryRowContext(ctx, c.text.String(), c.args...).Scan(&n); err != nil {
		return 0, fmt.Errorf("count %s: %w", t.name, err)
	}
	return n, nil
}

// Update writes all columns of the row whose key it has; NotFound if there is
// none. With columns it writes only these.
func (t *Table[T]) Update(ctx context.Context, row *T, columns ...string) error {
	set := Set{}
	v := reflect.ValueOf(row).Elem()
	for _, name := range columns {
		if t.known[name] == nil {
			return fmt.Errorf("update %s: no column %q", t.name, name)
		}
	}
	for i := range t.cols {
		c := &t.cols[i]
		if c.key || c.auto || len(columns) > 0 && !contains(columns, c.name) {
			continue
		}
		value, err := c.value(v)
		if err != nil {
			return fmt.Errorf("update %s: %w", t.name, err)
		}
		set[c.name] = value
	}
	key := v.FieldByIndex(t.key.index).Interface()
	n, err := t.Change(ctx, set, Eq(t.key.name, key))
	if err == nil && n == 0 {
		return cloud.NotFound("Could not find %s: %v.", t.noun, key)
	}
	return err
}

func contains(list []string, s string) bool {
	for _, l := range list {
		if l == s {
			return true
		}
	}
	return false
}

// A Set gives columns new values. A value of type [Expr] is SQL.
type Set map[string]any

// An Expr is SQL in a [Set]: Expr("generation + 1").
type Expr string

// Change writes columns of all rows that meet the conditions and counts them.
// With the old status among the conditions it is the compare-and-swap that
// every change of a status has to be:
//
//	n, err := t.Change(ctx, store.Set{"status": "ACTIVE"}, store.Eq("id", id), store.Eq("status", "BUILD"))
func (t *Table[T]) Change(ctx context.Context, set Set, where ...Cond) (int64, error) {
	if len(where) == 0 {
		return 0, fmt.Errorf("change %s: no condition", t.name)
	}
	if len(set) == 0 {
		return t.Count(ctx, where...)
	}
	var c clause
	c.add("UPDATE " + quote(t.name) + " SET ")
	first := true
	for i := range t.cols {
		value, ok := set[t.cols[i].name]
		if !ok {
			continue
		}
		if !first {
			c.add(", ")
		}
		first = false
		if e, ok := value.(Expr); ok {
			c.add(quote(t.cols[i].name) + " = " + string(e))
		} else {
			c.add(quote(t.cols[i].name)+" = ?", value)
		}
	}
	for name := range set {
		if t.known[name] == nil {
			return 0, fmt.Errorf("change %s: no column %q", t.name, name)
		}
	}
	if err := c.where(where, t.known); err != nil {
		return 0, fmt.Errorf("change %s: %w", t.name, err)
	}
	return t.exec(ctx, "change", &c)
}

// Delete removes all rows that meet the conditions and counts them.
func (t *Table[T]) Delete(ctx context.Context, where ...Cond) (int64, error) {
	if len(where) == 0 {
		return 0, fmt.Errorf("delete from %s: no condition", t.name)
	}
	var c clause
	c.add("DELETE FROM " + quote(t.name))
	if err := c.where(where, t.known); err != nil {
		return 0, fmt.Errorf("delete from %s: %w", t.name, err)
	}
	return t.exec(ctx, "delete from", &c)
}

func (t *Table[T]) exec(ctx context.Context, doing string, c *clause) (int64, error) {
	res, err := t.q.ExecContext(ctx, c.text.String(), c.args...)
	if err != nil {
		return 0, t.failed(doing, err)
	}
	return res.RowsAffected()
}

// selects begins "SELECT columns FROM table".
func (t *Table[T]) selects() *clause {
	names := make([]string, len(t.cols))
	for i := range t.cols {
		names[i] = quote(t.cols[i].name)
	}
	var c clause
	c.add("SELECT " + strings.Join(names, ", ") + " FROM " + quote(t.name))
	return &c
}

// scan runs a query of selects and reads its rows.
func (t *Table[T]) scan(ctx context.Context, c *clause) (list []T, err error) {
	err = t.each(ctx, c, func(row *T) error {
		list = append(list, *row)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return list, nil
}

// each runs a query of selects and hands its rows over as they come.
func (t *Table[T]) each(ctx context.Context, c *clause, f func(row *T) error) (err error) {
	rows, err := t.q.QueryContext(ctx, c.text.String(), c.args...)
	if err != nil {
		return fmt.Errorf("select from %s: %w", t.name, err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	targets := make([]any, len(t.cols))
	for rows.Next() {
		row := new(T)
		v := reflect.ValueOf(row).Elem()
		for i := range t.cols {
			targets[i] = t.cols[i].target(v)
		}
		if err := rows.Scan(targets...); err != nil {
			return fmt.Errorf("read a row of %s: %w", t.name, err)
		}
		if err := f(row); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil && !errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("read rows of %s: %w", t.name, err)
	}
	return nil
}
