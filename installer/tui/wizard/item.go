package wizard

// kind is what an item of a screen is.
type kind int

const (
	kindText   kind = iota // only shown
	kindInput              // a line that a person types
	kindRadio              // one of several
	kindCheck              // on or off
	kindButton             // does something
)

// An item is one row of a screen, or several. Screens are made anew for every
// picture, so an item is a description, and its state is in the answers.
type item struct {
	kind  kind
	id    string // on its screen
	label string
	tail  line   // behind the label
	more  []line // below it

	value *string // of an input
	hint  string  // shown in an empty input
	on    bool    // radio, check
	act   func() Task
	// fields are those of rack.yaml whose faults are shown here, by the start
	// of their name.
	fields []string
}

// says makes an item of text.
func says(lines ...line) item { return item{kind: kindText, more: lines} }

// gap is an empty row.
func gap() item { return says(line{}) }

func heading(t string) item { return says(text(bold, t)) }

// note is text that is broken into lines.
func note(s style, t string) item {
	return item{kind: kindText, more: indented(2, wrapped(s, t, contentWidth))}
}

func input(id, label string, value *string, fields ...string) item {
	return item{kind: kindInput, id: id, label: label, value: value, fields: fields}
}

func radio(id, label string, on bool, set func()) item {
	return item{kind: kindRadio, id: id, label: label, on: on, act: func() Task { set(); return nil }}
}

func check(id, label string, on bool, flip func()) item {
	return item{kind: kindCheck, id: id, label: label, on: on, act: func() Task { flip(); return nil }}
}

func button(id, label string, act func() Task) item {
	return item{kind: kindButton, id: id, label: label, act: act}
}

func (i item) hinted(hint string) item { i.hint = hint; return i }

func (i item) with(more ...line) item { i.more = append(i.more, more...); return i }

// labelWidth is where inputs begin.
const labelWidth = 22

// lines draw the item; cursor is the place in an input that has the focus.
func (i item) lines(focused bool, cursor, width int) []line {
	mark, look := "  ", plain
	if focused {
		mark, look = "> ", reverse
	}
	switch i.kind {
	case kindInput:
		return append([]line{append(line{{plain, mark + pad(i.label, labelWidth)}}, i.field(focused, cursor, width-labelWidth-4)...)}, i.more...)
	case kindRadio, kindCheck, kindButton:
		return append([]line{append(line{{plain, mark}, {look, i.mark() + i.label}}, i.tail...)}, i.more...)
	default:
		return i.more
	}
}

// mark shows whether the item is chosen.
func (i item) mark() string {
	switch {
	case i.kind == kindRadio && i.on:
		return "(*) "
	case i.kind == kindRadio:
		return "( ) "
	case i.kind == kindCheck && i.on:
		return "[x] "
	case i.kind == kindCheck:
		return "[ ] "
	default:
		return ""
	}
}

// field draws what is typed, or what an empty input stands for. Long text
// shows the part around the cursor.
func (i item) field(focused bool, cursor, width int) line {
	value, hint := *i.value, ""
	if value == "" && i.hint != "" {
		hint = "(" + i.hint + ")"
	}
	if !focused {
		return line{{plain, short(value+hint, width)}}
	}
	if value == "" {
		return line{{plain, "["}, {reverse, " "}, {plain, pad(hint, width-1) + "]"}}
	}
	from := max(0, cursor-width+1)
	shown := pad(value[from:], width)
	at := cursor - from
	return line{{plain, "["}, {bold, shown[:at]}, {reverse, shown[at : at+1]}, {bold, shown[at+1:]}, {plain, "]"}}
}
