// Package steps names the moments between two effects: a file was written, not
// yet renamed; a process was started, not yet recorded. A program passes them
// without a stop. A test ends the program at each of them in turn, and looks
// whether the next one finds its way.
//
//	os.Rename(tmp, path)
//	s.Done("image renamed")   // a crash here finds the image without a record
//	syncDir(dir)
//	s.Done("image directory synced")
package steps

// Steps is called with what was done last. A nil Steps does nothing.
type Steps func(done string)

// Done tells that an effect has happened, and that the next one has not.
func (s Steps) Done(what string) {
	if s != nil {
		s(what)
	}
}
