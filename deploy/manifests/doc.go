// Package manifests checks the files that install tipline against the types of the programs that read them.
//
// It is a module of its own, so that those types are no dependency of tipline.
package manifests
