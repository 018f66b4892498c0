package config

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"

	promconfig "github.com/prometheus/common/config"
	"go.yaml.in/yaml/v4"

	"tipline/model"
	"tipline/model/decide"
)

// Load reads and resolves the file at path. Relative paths in it are relative to its folder. packs are the
// metric packs that exist; without any, the names of packs are not checked. What is wrong with the file is returned as
// Problems, all at once.
func Load(path string, packs ...model.Pack) (*Config, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	return Parse(path, data, packs...)
}

// Parse resolves data like Load, as if it had been read from the file name.
func Parse(name string, data []byte, packs ...model.Pack) (*Config, error) {
	r := &reader{file: name, packs: packs, misread: map[string]bool{}}
	raw := r.raw(data)
	if raw == nil {
		return nil, r.sorted()
	}
	c := r.resolve(raw)
	if len(r.problems) > 0 {
		return nil, r.sorted()
	}
	c.Hash = c.hash()
	c.setDirectory(filepath.Dir(name))
	return c, nil
}

// raw returns the file form of data, or nil when there is none.
func (r *reader) raw(data []byte) *rawConfig {
	top := r.document(data, "sources and options")
	if top == nil {
		return nil
	}
	raw := new(rawConfig)
	r.refuseSecrets(top, "")
	r.decode(top, "", reflect.ValueOf(raw).Elem())
	if raw.At.node == nil {
		return nil // not a mapping, which has been reported
	}
	return raw
}

func (r *reader) resolve(raw *rawConfig) *Config {
	c := &Config{}
	c.Store = Store{Path: defaultStorePath}
	if raw.Store.Path.given() {
		c.Store.Path = r.path(raw.Store.Path)
	}
	r.readAliases(raw.Aliases)
	c.Rates, c.Confirmed = r.rates(raw.Prices.Rates), r.words(raw.Prices.Confirmed)
	c.Lists = r.priceLists(raw, promconfig.JoinDir(filepath.Dir(r.file), c.Store.Path))
	r.awaited = c.Lists
	c.Prices, c.Books, c.Quarantined = r.book(c.Lists, raw.Prices.Files, c.Confirmed, c.Rates)
	if len(raw.Sources) == 0 {
		r.missing(raw.At, "sources", ", want at least one")
	}
	if raw.PacksDir.given() {
		c.PacksDir = r.path(raw.PacksDir)
		r.addPacks(c.PacksDir)
	}
	c.Sources = r.sources(raw.Sources)
	r.sourced = c.Sources
	c.Options = r.options(raw.Options, c.Prices)
	r.contracts(raw.Contracts, c.Options, raw.Options)
	c.Policy = r.policy(raw.Policy, defaultPolicy())
	c.Schedule = r.schedule(raw.Schedule)
	c.Notify = r.notify(raw.Notify)
	c.Notify.Routes = r.routes(raw, c)
	r.workloads(raw, c)
	current := []string{c.Defaults.Current}
	for _, w := range c.Workloads {
		current = append(current, w.Current)
	}
	r.unmeasured(raw.Options, c.Options, current)
	c.Budgets = r.budgets(raw, c)
	return c
}

// book returns the built-in price book with the rows of the copies of lists, and then those of files, in the place of its own, how old each
// of these books is, and what of them is not believed.
func (r *reader) book(lists []PriceSource, files []scalar, confirmed []string, rates map[string]Rate) (Book, []model.PriceBook, []Quarantined) {
	book := Builtin()
	var before []Book
	books := []model.PriceBook{{Book: "built-in", Checked: book.Checked()}}
	var quarantine []Quarantined
	for _, list := range lists {
		next, err := list.Copy()
		switch {
		case errors.Is(err, fs.ErrNotExist): // it has not been fetched yet, and is not needed to start
		case err != nil:
			row := Row{PriceSource: model.PriceSource{Item: list.Name, Field: "list"}}
			quarantine = append(quarantine, Quarantined{Row: row, Reason: "its copy cannot be read, and is fetched again: " + redact(err.Error())})
		default:
			books = append(books, model.PriceBook{Book: list.Name, Checked: next.Checked()})
			var bad []Quarantined
			before = append(before, book)
			book, bad = book.Update(next, confirmed)
			quarantine = append(quarantine, bad...)
		}
	}
	for _, s := range files {
		path := r.path(s)
		if path == "" {
			continue
		}
		file, err := os.Open(promconfig.JoinDir(filepath.Dir(r.file), path))
		if err != nil {
			r.wrong(s.place, "%s", redact(err.Error()))
			continue
		}
		next, err := ReadBook(file)
		_ = file.Close()
		if err != nil {
			r.wrong(s.place, "%s is not a price book: %s", quote(path), redact(err.Error()))
			continue
		}
		if next, err = next.InUSD(rates); err != nil {
			r.wrong(s.place, "%s: %s", quote(path), err)
			continue
		}
		books = append(books, model.PriceBook{Book: path, Checked: next.Checked()})
		var bad []Quarantined
		before = append(before, book)
		book, bad = book.Update(next, confirmed)
		quarantine = append(quarantine, bad...)
	}
	return book.beside(before), books, quarantine
}

// priceLists reads which price lists of others are kept up to date, their copies in the folder store.
func (r *reader) priceLists(top *rawConfig, store string) []PriceSource {
	var lists []PriceSource
	lines := map[string]int{}
	for _, raw := range top.Prices.Lists {
		if raw.At.node == nil {
			continue // not a mapping, which has been reported
		}
		list := PriceSource{
			From: r.required(raw.From, raw.At, "from", append(slices.Clip(Lists), OpenCost)), Provider: r.word(raw.Provider),
			URL: raw.URL.text(), Source: r.word(raw.Source), Select: r.textMap(raw.Select),
		}
		if list.From == "skypilot" && !raw.Provider.given() {
			r.missing(raw.At, "provider", ", want whose machines they are, such as lambda")
		}
		if list.Name = list.From; raw.Name.given() {
			list.Name = r.word(raw.Name)
		}
		at := raw.At.node.Line
		switch earlier, twice := lines[list.Name]; {
		case !listName.MatchString(list.Name) && list.Name != "":
			r.wrong(raw.Name.place, "got %s, want lower-case letters, digits and hyphens", quote(list.Name))
		case twice:
			r.wrong(raw.At, "the list %s is on line %d too, want another name", quote(list.Name), earlier)
		}
		lines[list.Name] = at
		r.whereFrom(raw, top.Sources)
		list.Path = filepath.Join(store, "prices", list.Name+".csv")
		lists = append(lists, list)
	}
	return lists
}

// whereFrom checks where a price list is: at an address, and that of OpenCost on the server of one of sources.
func (r *reader) whereFrom(raw rawList, sources []rawSource) {
	r.wantLabels(raw.At, raw.Select)
	if raw.From.text() == OpenCost {
		named := func(s rawSource) bool { return s.Name.given() && s.Name.text() == raw.Source.text() }
		if raw.URL.given() {
			r.wrong(raw.URL.place, "has no effect with opencost, which is asked for at the server of a source")
		}
		if !raw.Source.given() {
			r.missing(raw.At, "source", ", want the name of the source whose server has the metrics of OpenCost")
		} else if !slices.ContainsFunc(sources, named) {
			r.wrong(raw.Source.place, "there is no source %s", quote(raw.Source.text()))
		}
		return
	}
	if raw.Source.given() {
		r.wrong(raw.Source.place, "has no effect without from: opencost")
	}
	if len(raw.Select) > 0 {
		r.wrong(raw.At, "select has no effect without from: opencost")
	}
	if !raw.URL.given() {
		r.missing(raw.At, "url", ", want where the list is, such as https://example.com/prices.json")
	} else if u, err := url.Parse(raw.URL.text()); err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil {
		r.wrong(raw.URL.place, "got %s, want an address such as https://example.com/prices.json", quote(redact(raw.URL.text())))
	}
}

// listName matches what a file may be called everywhere.
var listName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,40}$`)

// rates reads what currencies are worth.
func (r *reader) rates(raws map[string]rawRate) map[string]Rate {
	rates := map[string]Rate{}
	for _, code := range slices.Sorted(maps.Keys(raws)) {
		raw := raws[code]
		usd := r.number(raw.USD, demand{"dollars for one " + code + ", more than 0", positive})
		switch {
		case raw.At.node == nil: // not a mapping, which has been reported
		case (Row{PriceSource: model.PriceSource{Unit: code + "/x"}}).currency() == "" || code == "USD":
			r.wrong(raw.At, "want the three capital letters of a currency other than USD, such as EUR")
		case !raw.USD.given():
			r.missing(raw.At, "usd", ", want dollars for one "+code)
		case usd != nil:
			origin := r.tariff(code, raw.Origin).origin
			rates[code] = Rate{USD: usd, Source: origin.Source, Date: origin.Date}
		}
	}
	return rates
}

// addPacks makes the packs in dir known. Whether they are good is for their reader to say, and so is a folder that is not there.
func (r *reader) addPacks(dir string) {
	files, err := filepath.Glob(filepath.Join(promconfig.JoinDir(filepath.Dir(r.file), dir), "*.yaml"))
	if err != nil || len(r.packs) == 0 {
		return
	}
	r.packs = slices.Clone(r.packs)
	for _, file := range files {
		var p struct {
			Labels struct {
				Model []string `yaml:"model"`
			} `yaml:"labels"`
		}
		if data, err := os.ReadFile(file); err == nil {
			_ = yaml.Load(data, &p)
		}
		r.packs = append(r.packs, model.Pack{Name: strings.TrimSuffix(filepath.Base(file), ".yaml"), Models: p.Labels.Model})
	}
}

// hash returns the hex SHA-256 of c in a form that depends on nothing but what c means.
func (c *Config) hash() string {
	content := struct {
		PacksDir  string `json:",omitempty"`
		Sources   []Source
		Options   []decide.Option
		Workloads []Workload
		Defaults  Workload
		Budgets   []Budget `json:",omitempty"`
		Policy    decide.Policy
		Schedule  Schedule
		TimeZone  string
		Notify    Notify
		Store     Store
	}{c.PacksDir, c.Sources, c.Options, c.Workloads, c.Defaults, c.Budgets, c.Policy, c.Schedule, c.Schedule.Location.String(), c.Notify, c.Store}
	data, err := json.Marshal(content)
	if err != nil {
		panic("config: " + err.Error()) // every type in it can be written
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// setDirectory makes relative paths relative to dir.
func (c *Config) setDirectory(dir string) {
	for i := range c.Sources {
		c.Sources[i].Prometheus.HTTP.SetDirectory(dir)
	}
	if s := c.Notify.Slack; s != nil {
		s.TokenFile = promconfig.JoinDir(dir, s.TokenFile)
		s.WebhookURLFile = promconfig.JoinDir(dir, s.WebhookURLFile)
		s.AppTokenFile = promconfig.JoinDir(dir, s.AppTokenFile)
	}
	if w := c.Notify.Webhook; w != nil {
		w.URLFile = promconfig.JoinDir(dir, w.URLFile)
		w.SecretFile = promconfig.JoinDir(dir, w.SecretFile)
	}
	c.Store.Path = promconfig.JoinDir(dir, c.Store.Path)
	c.PacksDir = promconfig.JoinDir(dir, c.PacksDir)
}
