// Package undo lets a sequence of steps leave nothing behind when one fails:
//
//	var u undo.Stack
//	defer u.Fail(&err)
//	…step…
//	u.Add(how to undo it)
//	…
//	u.Success()
package undo

import (
	"errors"
	"slices"
)

// Stack holds how to undo the steps taken so far. The zero Stack is empty.
type Stack struct {
	steps []func() error
	done  bool
}

// Add puts a step's undo on the stack.
func (s *Stack) Add(undo func() error) { s.steps = append(s.steps, undo) }

// Success keeps everything: Fail will do nothing.
func (s *Stack) Success() { s.done = true }

// Fail undoes all steps, the last one first, unless Success was called. What
// cannot be undone is joined to *err.
func (s *Stack) Fail(err *error) {
	if s.done {
		return
	}
	s.done = true
	for _, undo := range slices.Backward(s.steps) {
		if undoErr := undo(); undoErr != nil {
			*err = errors.Join(*err, undoErr)
		}
	}
}
