package model

import "testing"

// TestCodesHaveWords holds that every constraint that has words has some for what would be without it, and that a new code is shown as it is.
func TestCodesHaveWords(t *testing.T) {
	t.Parallel()
	for code := range obstacles {
		if WaivedText(code) == "" {
			t.Errorf("%s has no words for what would be without it", code)
		}
	}
	if got, want := BlockedText([]string{"RESIDENCY_UNKNOWN", "NEW_CODE"}), "does not declare where it runs; NEW_CODE"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := NeverText(NeverCapacityLimit), "it would take more replicas than the quota allows"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := DiffersText("NEW_CODE"), "NEW_CODE"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
