//go:build race

package daemon

// raceDetector says that a process takes ten times as long, so that fewer are worth starting.
const raceDetector = true
