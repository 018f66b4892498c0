// Package modeltest says with how many random inputs the tests try the properties of the model.
package modeltest

// Draws is how many random inputs a property is tried with: 2000, and a tenth of that under the race detector. That makes exact arithmetic ten
// times as slow and looks for what goroutines share, for which few inputs do; what a property says is held by the run without it.
const Draws = 2000 / slower
