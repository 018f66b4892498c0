package model

// A Pack is what a configuration has to know of a metric pack.
type Pack struct {
	Name   string
	Models []string // labels that say which model a series is about
}
