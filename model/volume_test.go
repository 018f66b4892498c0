package model

import "testing"

// TestTotal counts every class once.
func TestTotal(t *testing.T) {
	t.Parallel()
	var v Volume
	want := Tokens(0)
	for _, c := range Classes {
		v[c] = Tokens(int(1) << c)
		want += v[c]
	}
	if got := v.Total(); got != want {
		t.Errorf("%v: got %v, want %v", v, got, want)
	}
}
