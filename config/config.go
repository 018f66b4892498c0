// Package config reads the configuration file and resolves it, strictly and without opening a connection.
//
// Every problem of a file is reported at once, with its place. Numbers that cost money are read from their text into
// exact fractions. Secrets are named by file or environment variable and never shown back.
package config

import (
	"cmp"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"

	promconfig "github.com/prometheus/common/config"

	"tipline/model"
	"tipline/model/decide"
)

// Config is a valid configuration, with every default filled in.
type Config struct {
	Hash      string // hex SHA-256 of everything below but Prices; comments, key order and secrets do not change it
	PacksDir  string // folder with metric packs of the user's; empty means none
	Sources   []Source
	Options   []decide.Option // with prices filled in from the price book
	Workloads []Workload      // in the order of the file: the first that matches counts
	Defaults  Workload        // for workloads that no stanza matches
	Labels    Labels          `json:",omitzero"` // which labels of a workload say what its stanza does not
	Budgets   []Budget
	Policy    decide.Policy
	Schedule  Schedule
	Notify    Notify
	Store     Store
	Prices    Book              // the price book in force
	Books     []model.PriceBook // that it is made of
	Lists     []PriceSource     // price lists of others that are kept up to date
	Confirmed []string          // items whose price may change more than twofold
	Rates     map[string]Rate   // what other currencies than USD are worth, by their code

	Quarantined []Quarantined // rows of price files that are not believed; what was there before them stays
}

// PriceSource is a price list of others, of which a copy is kept as a price book.
type PriceSource struct {
	Name     string
	From     string // one of Lists, or OpenCost
	Provider string // whose machines a catalogue lists
	URL      string
	Source   string // with OpenCost: name of the source whose server is asked
	Path     string // of the copy

	Select map[string]string // with OpenCost: only nodes whose series have these label values; all without any
}

// mayHave reports whether item is one that s may have, today or another day.
func (s PriceSource) mayHave(item string) bool {
	switch s.From {
	case OpenCost:
		return strings.HasPrefix(item, s.Name+"/")
	case "skypilot":
		return strings.HasPrefix(item, s.Provider+"/")
	}
	return false
}

// Copy reads the copy of s; the error is fs.ErrNotExist, wrapped, while there is none.
func (s PriceSource) Copy() (Book, error) {
	file, err := os.Open(s.Path)
	if err != nil {
		return Book{}, err
	}
	defer file.Close()
	return ReadBook(file)
}

// Anchors is where the prices are kept that those of s are held against: what each was when it was first seen, or last confirmed.
func (s PriceSource) Anchors() PriceSource {
	s.Path += ".anchors" // no list has it as its copy: those end in .csv
	return s
}

// Source is a place where tokens are counted. Exactly one of Pack and Queries is set.
type Source struct {
	Name       string
	Prometheus Prometheus
	Pack       string            // name of a metric pack; empty with queries of one's own
	Queries    *Queries          // the user's own PromQL
	Select     map[string]string // only series with these label values count
	GroupBy    []string          // labels that make a workload; empty means those of the pack
	// ReplicaLabel tells apart the copies of a series that replicas of a Prometheus have stored, of which one counts; empty means that there are none.
	ReplicaLabel string            `json:",omitempty"`
	CacheApart   map[string]string `json:",omitempty"` // series with these label values leave the cache out of their input, beside those that the pack says do; nil means no others
	Period       time.Duration     `json:",omitempty"` // of gauges that show sums of a period; 0 means that of the pack
	Stamps       string            `json:",omitempty"` // the time of such a sample, scrape or cloud; empty means that of the pack
	Hosting      model.Hosting     // how the workloads counted there are served now
	GPUs         *GPUs             // where their GPUs are counted; nil means nowhere
	Backfill     time.Duration     // how far back a cold start asks
	Delay        time.Duration     // an hour is asked for this long after it ended
}

// Prometheus says how to ask a Prometheus-compatible server.
type Prometheus struct {
	URL              string
	HTTP             promconfig.HTTPClientConfig // authentication, TLS, headers and proxy
	Timeout          time.Duration               // of one query, its whole answer included
	MaxResponseBytes int64                       // of one answer after decompression
	Concurrency      int                         // queries in flight at once
}

// Queries is the user's own PromQL, one expression a signal. $__window stands for the length of the window.
type Queries struct {
	Input              string // prompt tokens in the window
	Output             string // generated tokens in the window
	CacheRead          string // prompt tokens read from a cache in the window; empty means that the split is not known
	Requests           string // requests in the window; empty means not known
	TTFTP95            string // 95th percentile of the time to first token over the window, in seconds; empty means not known
	InputIncludesCache bool   // Input counts the tokens of CacheRead too
	Layer              string `json:",omitempty"` // where on their way the tokens are counted, such as gateway; empty means not said
	Model              string `json:",omitempty"` // the label that says which model a workload uses; empty means none
}

// GPUs says where the GPUs that workloads run on are counted.
type GPUs struct {
	Pack string
	Join []string // labels shared by a workload and its GPUs
}

// Workload says what is known of the workloads that it matches.
type Workload struct {
	Match        map[string][]string // labels, each with the values of which a workload must have one; nil matches every workload of Source
	Name         string              // empty keeps the name the labels give
	Was          map[string][]string `json:",omitempty"` // as Match, of what the same workload was before it was relabelled; nil means that it was nothing else
	Source       string              // name of the only source it matches; empty means any
	Current      string              // name of the option that serves it now; empty means not known, and no verdict
	Candidates   []string            // names of the options to choose from; Current is always among them
	Constraints  decide.Constraints
	Policy       decide.Policy // that of the configuration, but for what the stanza says otherwise
	Known        model.Known   // what is known of it beside its history
	Jumps        []Jump        `json:",omitempty"` // of its counter, as far as a person has said what they were
	SlackChannel string        // empty means that of Defaults, or else of Notify.Slack
	Refused      string        `json:",omitempty"` // the channel that a label asked for and that Labels does not allow; empty means none
	Owner        string        `json:",omitempty"` // who is to know of it, for routes; empty means nobody by name
	CostCentre   string        `json:",omitempty"` // to which its cost is charged; empty means not said
	Critical     bool          `json:",omitempty"` // its messages are more severe by one step
	Meter        string        `json:",omitempty"` // what it is where its traffic is counted by another meter too: Primary, Secondary or Separate; empty means not said
	Drop         bool          `json:",omitempty"` // what it matches is traffic and no workload
}

// A Jump is a moment at which what is counted of a workload jumped.
type Jump struct {
	At  time.Time // the hour from which on it was otherwise
	Use bool      // its use changed, and not what the counter counts
}

// What a jump is.
const (
	JumpOfCounter = "counter" // the counter counts otherwise since then
	JumpOfUse     = "use"     // it is what was used
)

// near is how far from the hour that a person names a jump may be found when more hours are known.
const near = 3 * time.Hour

// JumpedByUse reports whether a jump that is found at t is known to be one of use.
func (w Workload) JumpedByUse(t time.Time) bool {
	return slices.ContainsFunc(w.Jumps, func(j Jump) bool { return j.Use && t.Sub(j.At).Abs() <= near })
}

// CountsSince returns when its counter began to count as it does at now; zero when that is not known to have changed.
func (w Workload) CountsSince(now time.Time) (since time.Time) {
	for _, j := range w.Jumps {
		if !j.Use && j.At.After(since) && !j.At.After(now) {
			since = j.At
		}
	}
	return since
}

// Labels names the labels of workloads that say what their stanzas leave out. Empty ones say nothing.
type Labels struct {
	Owner        string
	CostCentre   string
	Critical     map[string][]string // labels, each with the values of which one makes a workload critical
	SlackChannel string              `json:",omitempty"`
	Channels     []string            `json:",omitempty"` // that SlackChannel may ask for, some as #PREFIX*
}

// What the meter of a workload is.
const (
	Primary   = "primary"   // what is found to be counted by it and by others is priced by it
	Secondary = "secondary" // what it counts is priced by another meter, found or not
	Separate  = "separate"  // what it counts is counted by no other meter, whatever it looks like
)

// LongestLeadTime returns how long the slowest of the migrations that c knows of takes.
func (c *Config) LongestLeadTime() time.Duration {
	longest := c.Policy.LeadTime
	for _, w := range c.Workloads {
		longest = max(longest, w.Policy.LeadTime)
	}
	return longest
}

// Server returns the name of the first source that reads the same server as s, as the same reader.
func (c *Config) Server(s Source) string {
	i := slices.IndexFunc(c.Sources, func(o Source) bool { return o.Prometheus.same(s.Prometheus) })
	return c.Sources[i].Name
}

// same reports whether p and o are read at one address as one reader.
func (p Prometheus) same(o Prometheus) bool {
	return p.URL == o.URL && reflect.DeepEqual(p.HTTP, o.HTTP)
}

// Siblings returns what the other sources select that read the same server as s, as the same reader and with the same pack.
func (c *Config) Siblings(s Source) []map[string]string {
	var siblings []map[string]string
	for _, o := range c.Sources {
		if o.Prometheus.same(s.Prometheus) && o.Name != s.Name && s.Pack != "" && o.Pack == s.Pack {
			siblings = append(siblings, o.Select)
		}
	}
	return siblings
}

// Schedule says when things are done, as cron specs of five fields or descriptors such as @daily.
type Schedule struct {
	Collect  string
	Evaluate string
	Prices   string         // brings the price lists up to date
	Digest   string         // sums the report up in a message; empty for never
	Location *time.Location // in which the specs are read
}

// Notify says where messages go.
type Notify struct {
	Slack   *Slack   // nil means that nothing is posted there
	Webhook *Webhook // nil means that nothing is posted there

	Alertmanager *Alertmanager // nil means that nothing is posted there

	Routes    []Route    // the first that covers a message says where it goes
	Templates []Template `json:",omitempty"` // the first that covers a message says it in its words
}

// Alertmanager says where verdicts that stand are shown as firing alerts.
type Alertmanager struct {
	URL string // of an Alertmanager with the API v2, with a path prefix if it has one
}

// Webhook says where to post signed JSON. Exactly one of URL and URLFile is set.
type Webhook struct {
	URL        string // where to post
	URLFile    string // path of a file that holds it
	SecretFile string // path of a file that holds the key of the signature; empty means that nothing is signed
}

// Slack says how to post to Slack. Exactly one of TokenFile and WebhookURLFile is set.
type Slack struct {
	TokenFile      string // path of a file that holds a bot token
	WebhookURLFile string // path of a file that holds the URL of an incoming webhook
	Channel        string // where a bot posts; empty with a webhook, which has a channel of its own
	APIURL         string // empty means Slack's own
	AppTokenFile   string `json:",omitempty"` // path of a file that holds an app-level token; empty: messages have no buttons
}

// Store says where the data file lives.
type Store struct {
	Path string // a folder
}

// For returns what is known of the workload of source with the given labels: the first stanza that matches it, or that it was
// part of before, with Defaults and Labels for what the stanza leaves out, or these alone.
func (c *Config) For(labels map[string]string, source string) Workload {
	known := c.Defaults
	known.SlackChannel = ""
	for _, w := range c.Workloads {
		if w.matches(labels, source) || w.Former(labels, source) {
			known = w
			break
		}
	}
	known = known.clone()
	known.Owner = cmp.Or(known.Owner, labels[c.Labels.Owner])
	known.CostCentre = cmp.Or(known.CostCentre, labels[c.Labels.CostCentre])
	if asked := labels[c.Labels.SlackChannel]; known.SlackChannel == "" && asked != "" {
		if known.SlackChannel = c.Labels.channel(asked); known.SlackChannel == "" {
			known.Refused = asked
		}
	}
	known.SlackChannel = cmp.Or(known.SlackChannel, c.Defaults.SlackChannel)
	for label, values := range c.Labels.Critical {
		known.Critical = known.Critical || slices.Contains(values, labels[label])
	}
	return known
}

// Former reports whether what has these labels in source is what the workload was before, and not what it is.
func (w Workload) Former(labels map[string]string, source string) bool {
	was := Workload{Match: w.Was, Source: w.Source}
	return w.Was != nil && was.matches(labels, source) && !w.matches(labels, source)
}

func (w Workload) matches(labels map[string]string, source string) bool {
	if w.Source != "" && w.Source != source {
		return false
	}
	for name, want := range w.Match {
		if got, ok := labels[name]; !ok || !slices.Contains(want, got) {
			return false
		}
	}
	return true
}

// clone keeps a caller that changes its answer from changing the configuration.
func (w Workload) clone() Workload {
	w.Match = maps.Clone(w.Match)
	w.Candidates = slices.Clone(w.Candidates)
	w.Constraints.Residency = slices.Clone(w.Constraints.Residency)
	return w
}
