package collector

import (
	"embed"
	"errors"
	"fmt"
	"maps"
	"path"
	"strings"

	"go.yaml.in/yaml/v4"
)

//go:embed packs/*.yaml
var packFiles embed.FS

// A pack says under which names one kind of exporter counts. A new exporter is a new file in packs.
type pack struct {
	Name               string              `yaml:"name"`                 // name of the file without .yaml
	About              string              `yaml:"about"`                // the program, for a reader
	GroupBy            []string            `yaml:"group_by"`             // labels that usually make a workload
	Tokens             map[signal]*counter `yaml:"tokens"`               // input and output at least
	InputIncludesCache bool                `yaml:"input_includes_cache"` // fresh = input - cache_read - cache_write
	Requests           *counter            `yaml:"requests"`
	TTFTSeconds        *histogram          `yaml:"ttft_seconds"` // time to first token
	GPU                *gpuPack            `yaml:"gpu"`          // a pack counts tokens or GPUs
	Traps              []string            `yaml:"traps"`        // what makes the numbers wrong, for a reader
}

// counter lists the names of one counter, best first. A series that has several of them is read once, under the best.
type counter struct {
	Metrics  []string `yaml:"metrics"`
	Doubtful []string `yaml:"doubtful"` // read where none of Metrics exists, and marked as doubtful
	Absent   string   `yaml:"absent"`   // what no series means beside an input: zero or unknown; empty means unknown
}

// histogram lists the names of one classic histogram without _bucket, best first.
type histogram struct {
	Histograms []string `yaml:"histograms"`
}

// gpuPack says how one exporter shows which GPUs are held and how busy they are.
type gpuPack struct {
	Busy     []busyGauge `yaml:"busy"`     // best first
	Device   []string    `yaml:"device"`   // labels that tell one GPU from another
	Attached string      `yaml:"attached"` // label that is not empty when a workload holds the GPU
}

// busyGauge is a gauge that shows Full for a GPU that is always busy.
type busyGauge struct {
	Metric string  `yaml:"metric"`
	Full   float64 `yaml:"full"`
}

// Packs returns the names of the metric packs, sorted: those that count tokens and those that count GPUs.
func Packs() []string {
	entries, err := packFiles.ReadDir("packs")
	if err != nil {
		panic("collector: " + err.Error()) // the folder is part of the program
	}
	var names []string
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), ".yaml"))
	}
	return names
}

// loadPack returns the pack with the given name.
func loadPack(name string) (*pack, error) {
	data, err := packFiles.ReadFile(path.Join("packs", name+".yaml"))
	if err != nil {
		return nil, fmt.Errorf("pack %q: unknown, want one of %s", name, strings.Join(Packs(), ", "))
	}
	return parsePack(name, data)
}

// parsePack reads one pack strictly: what it does not know is an error.
func parsePack(name string, data []byte) (*pack, error) {
	var p pack
	if err := yaml.Load(data, &p, yaml.WithKnownFields()); err != nil {
		return nil, fmt.Errorf("pack %q: %w", name, err)
	}
	if err := p.check(name); err != nil {
		return nil, fmt.Errorf("pack %q: %w", name, err)
	}
	return &p, nil
}

func (p *pack) check(name string) error {
	var errs []error
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if p.Name != name {
		wrong("name: got %q, want the name of the file", p.Name)
	}
	if (p.GPU == nil) == (len(p.Tokens) == 0) {
		wrong("want either tokens or gpu")
	}
	if p.GPU != nil {
		if len(p.GPU.Busy) == 0 || len(p.GPU.Device) == 0 || p.GPU.Attached == "" {
			wrong("gpu: want busy, device and attached")
		}
		for _, b := range p.GPU.Busy {
			if !(b.Full > 0) {
				wrong("gpu.busy: %s: full: got %v, want above 0", b.Metric, b.Full)
			}
		}
		return errors.Join(errs...)
	}
	for _, s := range []signal{input, output} {
		if p.Tokens[s] == nil {
			wrong("tokens.%s: missing", s)
		}
	}
	for s, c := range p.counters() {
		if c == nil || len(c.Metrics) == 0 {
			wrong("%s: want metrics", s)
			continue
		}
		if c.Absent != "" && c.Absent != "zero" && c.Absent != "unknown" {
			wrong("%s.absent: got %q, want zero or unknown", s, c.Absent)
		}
	}
	if p.TTFTSeconds != nil && len(p.TTFTSeconds.Histograms) == 0 {
		wrong("ttft_seconds: want histograms")
	}
	return errors.Join(errs...)
}

// counters returns every counter of p by the signal that it is read as.
func (p *pack) counters() map[signal]*counter {
	all := map[signal]*counter{}
	maps.Copy(all, p.Tokens)
	if p.Requests != nil {
		all[requests] = p.Requests
	}
	return all
}

// rules returns how the cells of p become tokens per class.
func (p *pack) rules() rules {
	r := rules{
		includesCache: p.InputIncludesCache, zeroIfAbsent: map[signal]bool{},
		countsRequests: p.Requests != nil, countsCacheWrite: p.Tokens[cacheWrite] != nil,
	}
	for s, c := range p.Tokens {
		r.zeroIfAbsent[s] = c.Absent == "zero"
	}
	return r
}
