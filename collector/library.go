package collector

import (
	"embed"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"tipline/model"
)

//go:embed packs/*.yaml
var packFiles embed.FS

// A Library is the metric packs that are built in and those that a user has written. The nil Library is the built-in ones.
type Library struct {
	own map[string]ownPack
}

// ownPack is a pack of the user's. Its text is part of what was counted: another one counts something else.
type ownPack struct {
	pack *pack
	text string
}

// OpenLibrary returns the built-in packs and those of the files *.yaml in dir, of which there are none when dir is empty. It
// returns everything that is wrong with the files at once.
func OpenLibrary(dir string) (*Library, error) {
	l := &Library{own: map[string]ownPack{}}
	if dir == "" {
		return l, nil
	}
	if _, err := os.Stat(dir); err != nil {
		return nil, fmt.Errorf("packs: %w", err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil {
		return nil, fmt.Errorf("packs: %w", err)
	}
	var errs []error
	for _, file := range files {
		errs = append(errs, l.add(file))
	}
	return l, errors.Join(errs...)
}

func (l *Library) add(file string) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("packs: %w", err)
	}
	name := packName(file)
	if slices.Contains(builtin(), name) {
		return fmt.Errorf("%s: pack %q is built in, give yours another name", file, name)
	}
	p, err := parsePack(file, data)
	if err != nil {
		return err
	}
	l.own[name] = ownPack{p, string(data)}
	return nil
}

// Names returns the names of all packs, sorted: those that count tokens and those that count GPUs.
func (l *Library) Names() []string {
	names := builtin()
	if l != nil {
		names = append(names, slices.Collect(maps.Keys(l.own))...)
	}
	slices.Sort(names)
	return names
}

// pack returns the pack with the given name.
func (l *Library) pack(name string) (*pack, error) {
	if l != nil {
		if own, ok := l.own[name]; ok {
			return own.pack, nil
		}
	}
	file := "packs/" + name + ".yaml"
	data, err := packFiles.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("pack %q: unknown, want one of %s", name, strings.Join(l.Names(), ", "))
	}
	return parsePack(file, data)
}

// text returns what a pack of the user's says, and nothing for a built-in one, whose meaning does not change.
func (l *Library) text(name string) string {
	if l == nil {
		return ""
	}
	return l.own[name].text
}

// Packs returns all packs, sorted by name.
func (l *Library) Packs() []model.Pack {
	var all []model.Pack
	for _, name := range l.Names() {
		p, err := l.pack(name)
		if err != nil {
			panic("collector: " + err.Error()) // those of a user were read, and the others are part of the program
		}
		all = append(all, model.Pack{Name: name, Models: p.Labels.Model})
	}
	return all
}

// Packs returns the built-in metric packs, sorted by name.
func Packs() []model.Pack { return slices.Clone(readBuiltin()) }

var readBuiltin = sync.OnceValue(func() []model.Pack { return (*Library)(nil).Packs() })

// builtin returns the names of the built-in metric packs, sorted.
func builtin() []string {
	entries, err := packFiles.ReadDir("packs")
	if err != nil {
		panic("collector: " + err.Error()) // the folder is part of the program
	}
	var names []string
	for _, e := range entries {
		names = append(names, packName(e.Name()))
	}
	slices.Sort(names)
	return names
}
