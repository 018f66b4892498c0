package config

import (
	"maps"
	"slices"
	"strings"
	"time"

	promconfig "github.com/prometheus/common/config"
	prommodel "github.com/prometheus/common/model"

	"tipline/model"
)

// Defaults of a source.
const (
	defaultBackfill         = 60 * 24 * time.Hour
	defaultDelay            = 2 * time.Minute
	defaultTimeout          = 30 * time.Second
	defaultMaxResponseBytes = 32 << 20
	defaultConcurrency      = 4
	defaultJoin             = "namespace"
)

func (r *reader) sources(raws []rawSource) []Source {
	var sources []Source
	lines := map[string]int{}
	for _, raw := range raws {
		if raw.At.node == nil {
			continue // not a mapping, which has been reported
		}
		s := Source{
			Name:    r.name(raw.Name, raw.At, lines),
			Select:  r.textMap(raw.Select),
			GroupBy: r.labels(raw.GroupBy),
			// What only a pack has, and the pack says the rest.
			ReplicaLabel: r.replicaLabel(raw),
			CacheApart:   r.textMap(raw.CacheApart),
			Period:       r.period(raw.Period),
			Stamps:       r.choice(raw.Stamps, "scrape", "cloud"),
			Hosting:      model.Hosting(r.required(raw.Hosting, raw.At, "hosting", hostings())),
			// The history of a source is as old as it likes; what the server no longer has costs an empty answer.
			Backfill: r.duration(raw.Backfill, defaultBackfill, false),
			Delay:    r.duration(raw.Delay, defaultDelay, true),
		}
		r.wantLabels(raw.At, raw.Select)
		r.wantLabels(raw.At, raw.CacheApart)
		switch {
		case raw.Pack.given() && raw.Queries != nil:
			r.wrong(raw.Queries.At, "the source has a pack too, want one of the two")
		case raw.Queries != nil:
			s.Queries = r.queries(raw)
		case !raw.Pack.given():
			r.missing(raw.At, "pack", ", want the name of a metric pack, or queries of your own")
		}
		s.Pack = r.pack(raw.Pack)
		if raw.GPUs != nil {
			s.GPUs = r.gpus(raw.GPUs, s.GroupBy)
		}
		if raw.Prometheus == nil {
			r.missing(raw.At, "prometheus", ", want a mapping with a url")
		} else {
			s.Prometheus = r.prometheus(raw.Prometheus)
		}
		sources = append(sources, s)
	}
	return sources
}

// name reads a name that no other line of lines has; lines is by name.
func (r *reader) name(s scalar, at place, lines map[string]int) string {
	if !s.given() {
		r.missing(at, "name", "")
		return ""
	}
	name := r.word(s)
	if name == "" {
		return ""
	}
	if line, taken := lines[name]; taken {
		r.wrong(s.place, "%s is already used on line %d", quote(name), line)
		return ""
	}
	lines[name] = s.node.Line
	return name
}

// required reads one of names from a key that must be there.
func (r *reader) required(s scalar, at place, key string, names []string) string {
	if !s.given() {
		r.missing(at, key, ", want "+oneOf(names))
		return ""
	}
	return r.choice(s, names...)
}

func hostings() []string {
	var names []string
	for _, h := range model.Hostings {
		names = append(names, string(h))
	}
	return names
}

// pack reads the name of a metric pack.
func (r *reader) pack(s scalar) string {
	name := r.word(s)
	var names []string
	for _, p := range r.packs {
		names = append(names, p.Name)
	}
	if name != "" && len(names) > 0 && !slices.Contains(names, name) {
		r.wrong(s.place, "unknown pack %s%s", quote(name), didYouMean(name, names))
	}
	return name
}

// period reads how long the periods of an exporter are, 0 without a word about it.
func (r *reader) period(s scalar) time.Duration {
	d := r.duration(s, 0, false)
	if d != 0 && (d < time.Second || time.Hour%d != 0) {
		r.wrong(s.place, "got %s, want a period that divides an hour, such as 1m or 5m", quote(s.text()))
	}
	return d
}

// labels reads a list of label names.
func (r *reader) labels(list []scalar) []string {
	for _, s := range list {
		if s.given() && !isLabel(s.text()) {
			r.wrong(s.place, "got %s, want the name of a label", quote(s.text()))
		}
	}
	return r.words(list)
}

// isLabel tells whether name can be a label: letters, digits and underscores, and the dots that OpenTelemetry's attributes keep
// where Prometheus 3 takes them over as they are.
func isLabel(name string) bool {
	return prommodel.LegacyValidation.IsValidLabelName(strings.ReplaceAll(name, ".", "_"))
}

// wantLabels reports keys of m that cannot be labels.
func (r *reader) wantLabels(at place, m map[string]scalar) {
	for _, name := range slices.Sorted(maps.Keys(m)) {
		if !isLabel(name) {
			where := m[name].place
			if where.node == nil {
				where = at
			}
			r.wrong(where, "got %s, want the name of a label", quote(name))
		}
	}
}

func (r *reader) queries(raw rawSource) *Queries {
	q := raw.Queries
	if len(raw.Select) > 0 {
		r.wrong(raw.At, "select has no effect on queries of your own, write the matchers there")
	}
	if len(raw.GroupBy) == 0 {
		r.missing(raw.At, "group_by", ", and queries of your own have no default")
	}
	if !q.Input.given() {
		r.missing(q.At, "input", "")
	}
	if !q.Output.given() {
		r.missing(q.At, "output", "")
	}
	if q.InputIncludesCache.given() && !q.CacheRead.given() {
		r.wrong(q.InputIncludesCache.place, "has no effect without cache_read")
	}
	for _, s := range []scalar{raw.Period, raw.Stamps} {
		if s.given() {
			r.wrong(s.place, "has no effect on queries of your own")
		}
	}
	if len(raw.CacheApart) > 0 {
		r.wrong(raw.At, "cache_apart has no effect on queries of your own")
	}
	return &Queries{
		Input:              r.expression(q.Input),
		Output:             r.expression(q.Output),
		CacheRead:          r.expression(q.CacheRead),
		Requests:           r.expression(q.Requests),
		TTFTP95:            r.expression(q.TTFTP95),
		InputIncludesCache: r.boolean(q.InputIncludesCache),
		Layer:              r.choice(q.Layer, layers...),
		Model:              r.modelLabel(q.Model, raw.GroupBy),
	}
}

// replicaLabel reads the label that tells apart what replicas of a Prometheus have stored.
func (r *reader) replicaLabel(raw rawSource) string {
	at := raw.Replica.place
	labels := r.labels([]scalar{raw.Replica})
	if !raw.Replica.given() || len(labels) == 0 {
		return ""
	}
	label := labels[0]
	_, selected := raw.Select[label]
	switch {
	case raw.Queries != nil:
		r.wrong(at, "has no effect on queries of your own, leave all but one replica out there")
	case selected:
		r.wrong(at, "%s is in select, which leaves one replica: want one of the two", quote(label))
	case slices.ContainsFunc(raw.GroupBy, func(s scalar) bool { return s.text() == label }):
		r.wrong(at, "%s is in group_by, which makes a workload of every replica", quote(label))
	case label == "job" || label == "instance":
		r.wrong(at, "%s tells programs apart, want a label of the replicas of a Prometheus, such as prometheus_replica", quote(label))
	}
	return label
}

// layers are where on their way tokens may be counted.
var layers = []string{"gateway", "client", "engine", "router", "cloud"}

// modelLabel reads which label of groupBy says which model a workload uses.
func (r *reader) modelLabel(s scalar, groupBy []scalar) string {
	name := r.word(s)
	var grouped []string
	for _, label := range groupBy {
		grouped = append(grouped, label.text())
	}
	if name != "" && !slices.Contains(grouped, name) {
		r.wrong(s.place, "%s is not in group_by%s", quote(name), didYouMean(name, grouped))
	}
	return name
}

func (r *reader) gpus(raw *rawGPUs, groupBy []string) *GPUs {
	if !raw.Pack.given() {
		r.missing(raw.At, "pack", ", want the name of a metric pack that counts GPUs")
	}
	g := &GPUs{Pack: r.pack(raw.Pack), Join: r.labels(raw.Join)}
	if len(g.Join) == 0 {
		g.Join = []string{defaultJoin}
	}
	for _, label := range g.Join {
		if len(groupBy) > 0 && !slices.Contains(groupBy, label) {
			r.wrong(raw.At, "join: %s is not in group_by, so no workload has it", quote(label))
		}
	}
	return g
}

func (r *reader) prometheus(raw *rawPrometheus) Prometheus {
	if !raw.URL.given() {
		r.missing(raw.At, "url", "")
	}
	before := len(r.problems)
	p := Prometheus{
		URL:              r.address(raw.URL),
		HTTP:             r.httpClient(raw),
		Timeout:          r.duration(raw.Timeout, defaultTimeout, false),
		MaxResponseBytes: r.whole(raw.MaxResponseBytes, "bytes", 1024, defaultMaxResponseBytes),
		Concurrency:      int(r.whole(raw.Concurrency, "queries at once", 1, defaultConcurrency)),
	}
	if err := p.HTTP.Validate(); err != nil && len(r.problems) == before {
		r.wrong(raw.At, "%s", redact(err.Error()))
	}
	return p
}

// httpClient reads how to authenticate. Its keys are those of Prometheus, without the ones that hold a secret.
func (r *reader) httpClient(raw *rawPrometheus) promconfig.HTTPClientConfig {
	c := promconfig.DefaultHTTPClientConfig
	if b := raw.BasicAuth; b != nil {
		c.BasicAuth = &promconfig.BasicAuth{
			Username: r.word(b.Username), UsernameFile: r.path(b.UsernameFile), Password: promconfig.Secret(r.secret(b.Password)), PasswordFile: r.path(b.PasswordFile),
		}
		if !b.Username.given() && !b.UsernameFile.given() {
			r.missing(b.At, "username", ", want a name, or in username_file the file that holds one")
		}
	}
	if a := raw.Authorization; a != nil {
		c.Authorization = &promconfig.Authorization{
			Type: r.word(a.Type), Credentials: promconfig.Secret(r.secret(a.Credentials)), CredentialsFile: r.path(a.CredentialsFile),
		}
		if !a.Credentials.given() && !a.CredentialsFile.given() {
			r.missing(a.At, "credentials_file", "")
		}
	}
	if o := raw.OAuth2; o != nil {
		c.OAuth2 = &promconfig.OAuth2{
			ClientID: r.word(o.ClientID), ClientSecret: promconfig.Secret(r.secret(o.ClientSecret)), ClientSecretFile: r.path(o.ClientSecretFile),
			TokenURL: r.address(o.TokenURL), Scopes: r.words(o.Scopes), EndpointParams: r.textMap(o.EndpointParams),
		}
	}
	if t := raw.TLS; t != nil {
		c.TLSConfig = promconfig.TLSConfig{
			CAFile: r.path(t.CAFile), CertFile: r.path(t.CertFile), KeyFile: r.path(t.KeyFile),
			ServerName: r.word(t.ServerName), InsecureSkipVerify: r.boolean(t.InsecureSkipVerify),
		}
		if t.CertFile.given() != t.KeyFile.given() {
			r.wrong(raw.At, "tls_config: want both of cert_file and key_file, or neither")
		}
	}
	c.ProxyFromEnvironment = r.boolean(raw.ProxyFromEnvironment)
	if address := r.address(raw.ProxyURL); address != "" {
		c.ProxyURL = mustURL(address)
	}
	c.HTTPHeaders = r.headers(raw.HTTPHeaders)
	return c
}

func (r *reader) headers(raws map[string]rawHeader) *promconfig.Headers {
	if len(raws) == 0 {
		return nil
	}
	h := &promconfig.Headers{Headers: map[string]promconfig.Header{}}
	for _, name := range slices.Sorted(maps.Keys(raws)) {
		raw := raws[name]
		header := promconfig.Header{Values: r.words(raw.Values)}
		for _, file := range raw.Files {
			header.Files = append(header.Files, r.path(file))
		}
		if raw.At.node != nil && len(raw.Values)+len(raw.Files) == 0 {
			r.wrong(raw.At, "want values, or files that hold one each")
		}
		h.Headers[name] = header
	}
	return h
}
