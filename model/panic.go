package model

import "fmt"

// A Panic is a panic that was caught, as an error that holds nothing of what the program was at work with.
type Panic struct {
	What  string // what the runtime says, such as that an index is out of range; of any other panic its type alone, since its text may hold a secret
	Stack string // where it was, for the log
}

// Caught returns the error of p, which recover returned, with the stack of where that was; one that was caught before stays as it is.
func Caught(p any, stack []byte) *Panic {
	caught, before := p.(*Panic)
	if before {
		return caught
	}
	what := fmt.Sprintf("a %T", p)
	if says, ok := p.(interface {
		error
		RuntimeError()
	}); ok {
		what = says.Error()
	}
	return &Panic{What: what, Stack: string(stack)}
}

func (p *Panic) Error() string { return "panicked: " + p.What }
