package wizard

import (
	"context"
	"slices"
	"strings"
)

// A Task is what the model has done for it, outside of it. What it returns is
// for [Model.Apply].
type Task func(context.Context) Result

// A Result changes the model when a task has ended.
type Result func(*Model)

// A screen is one step of the conversation.
type screen struct {
	title string
	keys  string // what keys do, beyond the usual
	items func() []item
	next  func() Task // what Enter does where an item has nothing of its own
	back  func()      // instead of going back; nil: go back
	beat  func()      // every second; nil: nothing

	focus   string
	cursor  int // in the input with the focus
	scroll  int
	faults  map[string]string // by item
	trouble string            // a refusal, above everything
	busy    string            // what is under way; keys but Esc wait
	running bool              // it is a task that can be left
	turn    int               // counts what was under way: results of what was left are dropped
	hint    string            // one line above the keys
	hintIs  style
}

// stops are the items that can have the focus.
func (s *screen) stops() []item {
	return slices.DeleteFunc(s.items(), func(i item) bool { return i.kind == kindText })
}

// focused is the item with the focus. The focus goes to the first where the
// item that had it is gone.
func (s *screen) focused() (item, int) {
	all := s.stops()
	at := slices.IndexFunc(all, func(i item) bool { return i.id == s.focus })
	if at < 0 && len(all) > 0 {
		at = 0
		s.focusOn(all[0])
	}
	if at < 0 {
		return item{}, -1
	}
	if v := all[at].value; v != nil {
		s.cursor = min(s.cursor, len(*v))
	}
	return all[at], at
}

func (s *screen) focusOn(i item) {
	s.focus = i.id
	if i.value != nil {
		s.cursor = len(*i.value)
	}
}

// move gives the focus to another item. Where there is none to give it to,
// the text scrolls.
func (s *screen) move(by int) {
	all := s.stops()
	_, at := s.focused()
	to := max(0, min(at+by, len(all)-1))
	if at < 0 || to == at {
		s.scroll += by
		return
	}
	s.focusOn(all[to])
}

// failed shows faults at the items whose fields they are of. It tells whether
// there was a place for any.
func (s *screen) failed(faults []fault) bool {
	s.faults = map[string]string{}
	for _, i := range s.stops() {
		for _, f := range faults {
			if i.shows(f.field) && s.faults[i.id] == "" {
				s.faults[i.id] = f.text
			}
		}
	}
	if len(s.faults) == 0 {
		return false
	}
	for _, i := range s.stops() {
		if s.faults[i.id] != "" {
			s.focusOn(i)
			return true
		}
	}
	return true
}

func (i item) shows(field string) bool {
	return slices.ContainsFunc(i.fields, func(f string) bool {
		rest, ok := strings.CutPrefix(field, f)
		return ok && (rest == "" || strings.ContainsAny(rest[:1], ".["))
	})
}

// run does something that takes its time. What it returns is done to the model
// unless the person went away from it.
func (s *screen) run(busy string, do func(context.Context) func()) Task {
	s.turn++
	turn := s.turn
	s.busy, s.running = busy, true
	return func(ctx context.Context) Result {
		then := do(ctx)
		return func(*Model) {
			if s.turn == turn && s.busy != "" {
				s.busy, s.running = "", false
				then()
			}
		}
	}
}

// say shows one line above the keys.
func (s *screen) say(st style, t string) { s.hint, s.hintIs = t, st }

// insert puts text into an input.
func (s *screen) insert(v *string, t string) {
	t = clean(strings.ReplaceAll(t, "\t", " "))
	*v = (*v)[:s.cursor] + t + (*v)[s.cursor:]
	s.cursor += len(t)
}

// edit changes an input by a key that is no text.
func (s *screen) edit(v *string, key string) bool {
	at := s.cursor
	switch key {
	case "left":
		s.cursor = max(0, at-1)
	case "right":
		s.cursor = min(len(*v), at+1)
	case "home", "ctrl+a":
		s.cursor = 0
	case "end", "ctrl+e":
		s.cursor = len(*v)
	case "backspace", "ctrl+h":
		if at > 0 {
			*v, s.cursor = (*v)[:at-1]+(*v)[at:], at-1
		}
	case "delete", "ctrl+d":
		if at < len(*v) {
			*v = (*v)[:at] + (*v)[at+1:]
		}
	case "ctrl+u":
		*v, s.cursor = (*v)[at:], 0
	case "ctrl+k":
		*v = (*v)[:at]
	case "ctrl+w":
		from := strings.LastIndexByte(strings.TrimRight((*v)[:at], " "), ' ') + 1
		*v, s.cursor = (*v)[:from]+(*v)[at:], from
	default:
		return false
	}
	return true
}
