// Package web serves the page, the JSON report, health and metrics; it computes nothing and takes no URL from anyone.
package web

import (
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"tipline/model"
)

// Options is what a Handler shows. All of it may be called at the same time.
type Options struct {
	Report   func() *model.Report           // the last report; nil before the first
	Ready    func() bool                    // a whole cycle has been published
	Reload   func() error                   // puts the configuration in force again
	Refused  func() string                  // why the last reload was refused, a line for every problem; empty when it was not
	Decision func(id string) ([]byte, bool) // the receipt of a decision
	Gatherer prometheus.Gatherer
	Log      *slog.Logger

	Handle func(path string, do func()) (ended bool) // answers a request by do, and is false when that panicked
}

//go:embed page.html style.css
var files embed.FS

var page = template.Must(template.New("page.html").Funcs(template.FuncMap{
	"tokens":  model.FormatTokens,
	"usd":     model.FormatUSD,
	"known":   model.FormatUSDKnown,
	"span":    model.FormatUSDRange,
	"percent": model.FormatPercent,
	"escape":  url.PathEscape,
	"when":    func(t time.Time) string { return t.UTC().Format("2 Jan 2006 15:04 UTC") },
	"cost":    currentCost,
	"current": isCurrent,
	"ahead":   ahead,
	"blocked": model.BlockedText,
}).ParseFS(files, "page.html"))

// currentCost returns what the current option of w costs, nil when that is not known.
func currentCost(w model.WorkloadReport) *model.Quantiles[model.USD] {
	return model.CostOf(w.Options, w.Current)
}

func isCurrent(w model.WorkloadReport, o model.OptionCost) bool { return o.Option == w.Current }

type handler struct{ Options }

// Handler returns everything that tipline serves over HTTP.
func Handler(o Options) http.Handler {
	h := handler{o}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", h.page)
	mux.HandleFunc("GET /style.css", h.style)
	mux.HandleFunc("GET /api/v1/report", h.report)
	mux.HandleFunc("GET /api/v1/workloads/{name...}", h.workload)
	mux.HandleFunc("GET /api/v1/decisions/{id}", h.decision)
	mux.Handle("GET /metrics", promhttp.HandlerFor(o.Gatherer, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /-/healthy", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "tipline is healthy.") })
	mux.HandleFunc("GET /-/ready", h.ready)
	mux.HandleFunc("POST /-/reload", h.reload)
	// Cross-origin requests that change something are refused; a browser says where a request comes from.
	return h.guarded(hardened(http.NewCrossOriginProtection().Handler(mux)))
}

// Server returns a server for handler that slow, idle or many clients cannot hold up. No handler reads a body, and the server cuts one off that is long.
func Server(handler http.Handler) *http.Server {
	return &http.Server{
		Handler: handler, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 60 * time.Second,
		IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10, ConnState: new(connections).changed,
	}
}

// guarded answers the request in which next panics with an error.
func (h handler) guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h.Handle(r.URL.Path, func() { next.ServeHTTP(w, r) }) {
			return
		}
		http.Error(w, "this could not be answered; the log says why", http.StatusInternalServerError)
	})
}

// hardened adds the headers that keep a browser from running or embedding anything.
func hardened(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("Referrer-Policy", "no-referrer")
		header.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

// shown is what the page shows.
type shown struct {
	*model.Report          // nil before the first
	Refused       []string // what is wrong with the configuration that was refused; none when it is in force
}

// mostProblems is how many problems of a configuration the page lists.
const mostProblems = 20

// problems returns the lines of text; those beyond mostProblems are counted.
func problems(text string) []string {
	if text == "" {
		return nil
	}
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = model.Printable(line)
	}
	if more := len(lines) - mostProblems; more > 0 {
		lines = append(lines[:mostProblems], fmt.Sprintf("and %d more, which tipline check names", more))
	}
	return lines
}

func (h handler) page(w http.ResponseWriter, _ *http.Request) {
	var out strings.Builder
	if err := page.Execute(&out, shown{h.Report(), problems(h.Refused())}); err != nil {
		h.Log.Error("page not written", "error", err)
		http.Error(w, "the page could not be written; the log says why", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	fmt.Fprint(w, out.String())
}

func (h handler) style(w http.ResponseWriter, r *http.Request) {
	http.ServeFileFS(w, r, files, "style.css")
}

func (h handler) report(w http.ResponseWriter, _ *http.Request) {
	report := h.Report()
	if report == nil {
		failed(w, http.StatusServiceUnavailable, "the first cycle is not complete yet")
		return
	}
	answer(w, report)
}

func (h handler) workload(w http.ResponseWriter, r *http.Request) {
	report := h.Report()
	if report == nil {
		failed(w, http.StatusServiceUnavailable, "the first cycle is not complete yet")
		return
	}
	name := r.PathValue("name")
	for _, workload := range report.Workloads {
		if workload.Workload == name {
			answer(w, workload)
			return
		}
	}
	failed(w, http.StatusNotFound, fmt.Sprintf("no workload %q", name))
}

func (h handler) decision(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	receipt, found := h.Decision(id)
	if !found {
		failed(w, http.StatusNotFound, fmt.Sprintf("no decision %q", id))
		return
	}
	answer(w, json.RawMessage(receipt))
}

func (h handler) ready(w http.ResponseWriter, _ *http.Request) {
	if !h.Ready() {
		http.Error(w, "the first cycle is not complete yet", http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "tipline is ready.")
}

func (h handler) reload(w http.ResponseWriter, _ *http.Request) {
	if err := h.Reload(); err != nil {
		http.Error(w, "reload refused, the configuration in force stays:\n"+err.Error(), http.StatusInternalServerError)
		return
	}
	fmt.Fprintln(w, "configuration reloaded.")
}

// answer writes v as JSON.
func answer(w http.ResponseWriter, v any) {
	data, err := json.Marshal(v)
	if err != nil {
		failed(w, http.StatusInternalServerError, err.Error())
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(append(model.EscapeJSON(data), '\n')) // the client is gone when this fails
}

// failed writes an error as JSON.
func failed(w http.ResponseWriter, status int, text string) {
	data, err := json.Marshal(map[string]string{"error": text})
	if err != nil {
		data = []byte("{}") // a string can always be written
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(data, '\n'))
}
