// Package fault has the one form in which this program reports what went wrong: what, and what to do about it.
package fault

import (
	"errors"
	"fmt"
)

// Fault is an error with its mend.
type Fault struct {
	// What names the place and what is wrong with it.
	What string
	// Mend is what the reader can do.
	Mend string
	// Details are further lines, such as the end of a log; may be empty.
	Details string
}

func (f *Fault) Error() string { return f.What }

// New makes a Fault from what is wrong and what to do.
func New(what, mend string) *Fault { return &Fault{What: what, Mend: mend} }

// Describe is the text for a terminal: details first, so that the reason and its mend are the last lines read.
func Describe(err error) string {
	var fault *Fault
	if !errors.As(err, &fault) {
		return fmt.Sprintf("error: %v\n", err)
	}
	return fmt.Sprintf("%serror: %v\n  fix: %s\n", fault.Details, err, fault.Mend)
}
