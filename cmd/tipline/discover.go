package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"github.com/alecthomas/kingpin/v2"
	promconfig "github.com/prometheus/common/config"

	"tipline/cmd/internal/draft"
	"tipline/collector"
	"tipline/model"
)

// discoverOptions is what the discover command is asked for.
type discoverOptions struct {
	url     string
	client  string // HTTP client configuration file; empty means none
	dir     string // folder with packs of the user's; empty means none
	timeout time.Duration
}

// addDiscover adds the discover command to app and returns it as a function.
func addDiscover(app *kingpin.Application, p *program) func(context.Context) int {
	o := new(discoverOptions)
	command := app.Command("discover", "Look for LLM workloads on a server and print a configuration for them; what it leaves open goes to standard error too.")
	command.Flag("prometheus", "The address of the server.").Required().PlaceHolder("URL").StringVar(&o.url)
	command.Flag("http.config.file", "How to authenticate there and whom to trust, as a Prometheus HTTP client configuration.").PlaceHolder("FILE").StringVar(&o.client)
	command.Flag("packs-dir", "A folder with packs of your own, as packs_dir in the configuration.").PlaceHolder("DIR").StringVar(&o.dir)
	command.Flag("timeout", "How long the server may take for one query.").Default("30s").DurationVar(&o.timeout)
	return func(ctx context.Context) int { return p.discover(ctx, *o) }
}

// discover asks a server what it has and prints a configuration for it.
func (p *program) discover(ctx context.Context, o discoverOptions) int {
	server, err := o.server()
	if err != nil {
		return p.usage(err)
	}
	library, err := collector.OpenLibrary(server.PacksDir)
	if err != nil {
		return p.fail(err)
	}
	transport, err := promconfig.NewRoundTripperFromConfig(server.HTTP, "discover")
	if err != nil {
		return p.usage(fmt.Errorf("--http.config.file: %w", err))
	}
	now := p.now()
	found, err := collector.Discover(ctx, collector.Settings{URL: server.URL, Client: transport, Library: library, Timeout: o.timeout}, now)
	var answered *collector.Error
	if errors.As(err, &answered) {
		p.fail(fmt.Errorf("%s: %w%s", server.URL, err, discoverAdvice(answered)))
		if unreachable(answered.Reason) {
			return exitUnreachable
		}
		return exitNotRight
	}
	if err != nil {
		return p.usage(err)
	}
	written, err := draft.Write(found, library, server, now)
	if err != nil {
		return p.fail(err)
	}
	p.tell(fmt.Sprintf("%s sent to %s", queries(found.Queries), server.URL))
	for _, f := range written.Findings {
		for _, line := range f.Lines {
			p.tell(f.About + ": " + line)
		}
	}
	if written.Config == nil {
		return p.fail(errors.New(nothingFound(found)))
	}
	p.tell(fmt.Sprintf("%s and %s with %s tokens in 28 days: look through what is printed, and check it with tipline check --live",
		count(written.Sources, "source"), count(written.Workloads, "workload"), model.FormatTokens(written.Tokens)))
	if _, err := p.stdout.Write(written.Config); err != nil {
		return p.fail(err)
	}
	return exitDone
}

// tell prints a line to standard error, and nothing that does something there.
func (p *program) tell(line string) { fmt.Fprintln(p.stderr, "tipline: "+model.Printable(line)) }

func queries(n int) string {
	if n == 1 {
		return "1 query"
	}
	return fmt.Sprintf("%d queries", n)
}

// server returns what is to be asked. Paths are absolute, since nobody knows yet where the configuration will be.
func (o discoverOptions) server() (draft.Server, error) {
	s := draft.Server{URL: strings.TrimRight(o.url, "/"), HTTP: promconfig.DefaultHTTPClientConfig}
	u, err := url.Parse(s.URL)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return s, errors.New("--prometheus: want the address of a server, for example http://prometheus:9090") // it may hold a password
	case u.User != nil:
		return s, errors.New("--prometheus: got an address with a user or a password in it, want basic_auth in --http.config.file")
	}
	if o.client != "" {
		loaded, _, err := promconfig.LoadHTTPConfigFile(o.client)
		if err != nil {
			return s, fmt.Errorf("--http.config.file: %w", err)
		}
		dir, err := filepath.Abs(filepath.Dir(o.client))
		if err != nil {
			return s, fmt.Errorf("--http.config.file: %w", err)
		}
		loaded.SetDirectory(dir)
		if proxy := loaded.ProxyURL.URL; proxy != nil && proxy.User != nil {
			return s, errors.New("--http.config.file: got a proxy_url with a user or a password in it, which cannot stand in a configuration")
		}
		s.HTTP = *loaded
	}
	s.HTTP.FollowRedirects = false // so that a password goes nowhere else
	if o.dir != "" {
		if s.PacksDir, err = filepath.Abs(o.dir); err != nil {
			return s, fmt.Errorf("--packs-dir: %w", err)
		}
	}
	return s, nil
}

// discoverAdvice says what to do about an error of a server that there is no configuration for yet.
func discoverAdvice(e *collector.Error) string {
	switch e.Reason {
	case collector.Unauthorized:
		return ": say how to authenticate with --http.config.file"
	case collector.Untrusted:
		return ": say whom to trust with tls_config in --http.config.file"
	case collector.TimedOut:
		return ": give it more time with --timeout, if it is only slow"
	case collector.LimitReached, collector.TooLarge:
		return ": the server is asked for names only, so raise its limit"
	default:
		return advice(e)
	}
}

// nothingFound says why there may be nothing.
func nothingFound(d collector.Discovery) string {
	const none = "the server answers, and none of the metrics of any pack was there in the last hour"
	switch {
	case len(d.Unplaced) > 0:
		return "nothing was found that can be read as it is: see what is not placed above"
	case !d.Scraped:
		return none + ". It has no series `up` either: is it the right tenant (http_headers in --http.config.file), and does it scrape anything?"
	}
	return none + ", although it scrapes something. Are the gateways or engines scraped? The metrics of several are off by default: tipline packs lists what turns them on"
}
