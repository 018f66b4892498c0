package model

import (
	"errors"
	"strings"
	"testing"
)

// TestF90_PanicText holds that a panic that was caught says what the runtime says, and nothing of any other value.
func TestF90_PanicText(t *testing.T) {
	t.Parallel()
	const secret = "xoxb-canary"
	var none map[string]int
	for what, do := range map[string]func(){
		"runtime error: index out of range [3] with length 1":    func() { _ = []string{secret}[len(secret)-8] },
		"assignment to entry in nil map":                         func() { none[secret] = 1 },
		"interface conversion: interface {} is string, not bool": func() { _ = any(secret).(bool) },
		"a string":              func() { panic(secret) },
		"a *errors.errorString": func() { panic(errors.New(secret)) },
	} {
		func() {
			defer func() {
				p := Caught(recover(), []byte("there"))
				if p.Error() != "panicked: "+what || p.Stack != "there" || strings.Contains(p.Error(), secret) {
					t.Errorf("got %q, want %q", p, what)
				}
				if Caught(p, nil) != p {
					t.Error("caught twice, it is another")
				}
			}()
			do()
		}()
	}
}
