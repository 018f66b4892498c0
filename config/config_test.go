package config

import (
	"encoding/json"
	"errors"
	"flag"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"tipline/model"
	"tipline/model/cost"
	"tipline/model/decide"
)

var update = flag.Bool("update", false, "write the expected problems of testdata/bad anew; read the difference before committing it")

// packs are the names that stand for the metric packs of the collector.
var packs = []model.Pack{
	{Name: "bedrock-yace", Models: []string{"dimension_ModelId"}},
	{Name: "dcgm"},
	{Name: "litellm", Models: []string{"requested_model", "model"}},
	{Name: "vllm", Models: []string{"model_name"}},
}

func TestBadFiles(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/bad/*.yml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files in testdata/bad: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yml"), func(t *testing.T) {
			t.Parallel()
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			_, err = Parse("tipline.yml", data, packs...)
			var problems Problems
			if !errors.As(err, &problems) {
				t.Fatalf("Parse(%s): got %v, want Problems", file, err)
			}
			got := problems.Error() + "\n"
			if strings.Contains(got, "hunter2") {
				t.Errorf("the problems of %s show a secret:\n%s", file, got)
			}
			expected := strings.TrimSuffix(file, ".yml") + ".err"
			if *update {
				if err := os.WriteFile(expected, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(expected)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("problems of %s (-want +got):\n%s", file, diff)
			}
		})
	}
}

// small is the shortest useful configuration.
const small = `
sources:
  - {name: gateway, prometheus: {url: "http://prometheus:9090/"}, pack: litellm, group_by: [team, model], hosting: api}
options:
  - {name: mini, kind: api, model: openai/gpt-5-mini}
  - name: fleet
    kind: self-hosted
    gpu: {type: h100, per_replica: 2, usd_per_hour: 3.99, replicas_per_block: 4}
    throughput: {book: tensorrt-llm/llama-3.3-70b-fp8/2xh100}
  - name: managed
    kind: cloud-managed
    regions: [eu, us]
    instance: {type: ml.g6e.12xlarge, raw_usd_per_hour: 10.4926}
    throughput: {tokens_per_hour: 6000000}
  - {name: mix, kind: hybrid, base: fleet, overflow: mini}
workloads:
  - {match: {team: support, model: a}, name: support-a, candidates: [mini, fleet]}
  - {match: {team: support}, name: support, current: mini, constraints: {data_sensitivity: regulated, ttft_limit: 500ms}}
  - {match: {team: nightly}, name: nightly, constraints: {batch: true}}
  - {source: gateway, match: {team: other}, current: fleet, candidates: [mini]}
defaults:
  current: mini
  candidates: [fleet]
  constraints: {data_sensitivity: internal, ops_capacity: limited, ttft_limit: 2s}
`

func parse(t *testing.T, text string) *Config {
	t.Helper()
	c, err := Parse("/etc/tipline/tipline.yml", []byte(text), packs...)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return c
}

// option returns the option of c with the given name.
func option(t *testing.T, c *Config, name string) decide.Option {
	t.Helper()
	i := slices.IndexFunc(c.Options, func(o decide.Option) bool { return o.Name == name })
	if i < 0 {
		t.Fatalf("no option %s", name)
	}
	return c.Options[i]
}

func rat(text string) *big.Rat {
	r, ok := new(big.Rat).SetString(text)
	if !ok {
		panic(text)
	}
	return r
}

var exactly = cmp.Comparer(func(a, b *big.Rat) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Cmp(b) == 0
})

func TestPricesAreExact(t *testing.T) {
	t.Parallel()
	c := parse(t, small)
	got := option(t, c, "mini")
	if diff := cmp.Diff(&cost.Prices{Input: rat("1/4"), Output: rat("2"), CacheRead: rat("1/40")}, got.API, exactly); diff != "" {
		t.Errorf("prices of mini (-want +got):\n%s", diff)
	}
	fleet := option(t, c, "fleet")
	wantFleet := &cost.Capacity{BlockCostPerHour: rat("3192/100"), ReplicasPerBlock: 4, SpareReplicas: 1, FixedMonthly: rat("9387")}
	if diff := cmp.Diff(wantFleet, fleet.Capacity, exactly); diff != "" {
		t.Errorf("capacity of fleet (-want +got):\n%s", diff)
	}
	if len(fleet.Throughput) != 10 {
		t.Errorf("fleet: got %d shapes, want the 10 of the book", len(fleet.Throughput))
	}
	wantManaged := &cost.Capacity{
		BlockCostPerHour: rat("104926/10000"), ManagedOverhead: rat("2485/10000"), ReplicasPerBlock: 1, SpareReplicas: 1,
		TokensPerHour: rat("6000000"), FixedMonthly: rat("4086"),
	}
	if diff := cmp.Diff(wantManaged, option(t, c, "managed").Capacity, exactly); diff != "" {
		t.Errorf("capacity of managed (-want +got):\n%s", diff)
	}
}

func TestEveryPriceSaysWhereItIsFrom(t *testing.T) {
	t.Parallel()
	c := parse(t, small)
	want := []model.PriceSource{
		{Item: "ml.g6e.12xlarge", Field: "raw_usd_per_hour", Value: "10.4926", Unit: "USD/instance-hour", Source: "configuration"},
		{
			Item: "ml.g6e.12xlarge", Field: "managed_overhead", Value: "0.2485", Unit: "share of the raw price",
			Source: "AWS Pricing API figures quoted in public repositories", Date: "2026-07-02",
		},
		{Item: "managed", Field: "throughput", Value: "6000000", Unit: "tokens/h per replica", Source: "configuration"},
		{Item: "managed", Field: "operations", Value: "4086", Unit: "USD/month", Source: operationsSource},
	}
	if diff := cmp.Diff(want, option(t, c, "managed").Prices); diff != "" {
		t.Errorf("origins of managed (-want +got):\n%s", diff)
	}
	mix := option(t, c, "mix").Prices
	if both := slices.Concat(option(t, c, "fleet").Prices, option(t, c, "mini").Prices); !slices.Equal(mix, both) {
		t.Errorf("origins of the hybrid: got %v, want those of its two parts %v", mix, both)
	}
}

func TestUnknownModelHasNoCost(t *testing.T) {
	t.Parallel()
	c := parse(t, strings.Replace(small, "openai/gpt-5-mini", "openai/gpt-5-mimi", 1))
	got := option(t, c, "mini")
	want := []model.Warning{{
		Code: "UNPRICED_MODEL",
		Text: `the price book has no "openai/gpt-5-mimi", did you mean "openai/gpt-5-mini"?; without prices the option has no cost`,
	}}
	if got.API != nil {
		t.Errorf("prices of an unknown model: got %v, want none", got.API)
	}
	if diff := cmp.Diff(want, got.Warnings); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
}

func TestWhatIsDoubtfulAboutPricesIsSaid(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, option, want string }{
		{"a GPU is not a model", "{name: x, kind: api, model: lambda/h100-80gb/8x/on-demand}", "UNPRICED_MODEL"},
		{
			"instance type not in the book",
			"{name: x, kind: cloud-managed, instance: {type: ml.x9.large, raw_usd_per_hour: 1}, throughput: {tokens_per_hour: 1000}}",
			"ASSUMED_OVERHEAD",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			c := parse(t, strings.Replace(small, "options:\n", "options:\n  - "+tc.option+"\n", 1))
			if got := option(t, c, "x").Warnings; len(got) != 1 || got[0].Code != tc.want {
				t.Errorf("%s: got warnings %v, want one with code %s", tc.option, got, tc.want)
			}
		})
	}
}

func TestZeroPriceNeedsAFlag(t *testing.T) {
	t.Parallel()
	const free = "  - {name: x, kind: api, prices: {input: 1, output: 2, cache_read: 0, free: true}}\n"
	got := option(t, parse(t, strings.Replace(small, "options:\n", "options:\n"+free, 1)), "x").API
	if got.CacheRead == nil || got.CacheRead.Sign() != 0 {
		t.Errorf("cache_read: got %v, want 0", got.CacheRead)
	}
	unsaid := strings.Replace(free, ", free: true", "", 1)
	if _, err := Parse("f", []byte(strings.Replace(small, "options:\n", "options:\n"+unsaid, 1))); err == nil {
		t.Error("a price of 0 without free: true: got no error")
	}
}

func TestHybridCanDoWhatBothPartsCan(t *testing.T) {
	t.Parallel()
	const mini = "model: openai/gpt-5-mini"
	text := strings.Replace(small, mini, mini+", regions: [us, eu], approved_for_regulated: true", 1)
	text = strings.Replace(text, "base: fleet", "base: managed", 1)
	got := option(t, parse(t, text), "mix")
	if !slices.Equal(got.Regions, []string{"eu", "us"}) || !got.ApprovedForRegulated || got.Base != "managed" || got.Overflow != "mini" {
		t.Errorf("got %+v, want base managed, overflow mini, both regions and the approval of the API", got)
	}
	for _, tc := range []struct{ a, b, want []string }{
		{nil, nil, nil},
		{nil, []string{"m"}, []string{"m"}},
		{[]string{"m", "n"}, []string{"n"}, []string{"n"}},
		{[]string{"m"}, []string{"n"}, []string{"m with n"}},
	} {
		if got := servedByBoth(tc.a, tc.b); !slices.Equal(got, tc.want) {
			t.Errorf("servedByBoth(%q, %q): got %q, want %q", tc.a, tc.b, got, tc.want)
		}
	}
}

func TestForTakesTheFirstStanzaThatMatches(t *testing.T) {
	t.Parallel()
	c := parse(t, small)
	limited := decide.Constraints{Sensitivity: decide.Internal, OpsCapacity: decide.OpsLimited, TTFTLimit: 2 * time.Second}
	batch := limited
	batch.Batch, batch.TTFTLimit = true, 0
	regulated := decide.Constraints{Sensitivity: decide.Regulated, OpsCapacity: decide.OpsLimited, TTFTLimit: 500 * time.Millisecond}
	for _, tc := range []struct {
		name   string
		labels map[string]string
		source string
		want   Workload
	}{
		{"all labels", map[string]string{"team": "support", "model": "a"}, "gateway", Workload{
			Match: map[string][]string{"team": {"support"}, "model": {"a"}}, Name: "support-a",
			Current: "mini", Candidates: []string{"mini", "fleet"}, Constraints: limited,
		}},
		{"some labels", map[string]string{"team": "support", "model": "b"}, "gateway", Workload{
			Match: map[string][]string{"team": {"support"}}, Name: "support",
			Current: "mini", Candidates: []string{"mini", "fleet"}, Constraints: regulated,
		}},
		{"batch has no latency limit", map[string]string{"team": "nightly"}, "any", Workload{
			Match: map[string][]string{"team": {"nightly"}}, Name: "nightly",
			Current: "mini", Candidates: []string{"mini", "fleet"}, Constraints: batch,
		}},
		{"the source matches too", map[string]string{"team": "other"}, "gateway", Workload{
			Match: map[string][]string{"team": {"other"}}, Source: "gateway",
			Current: "fleet", Candidates: []string{"fleet", "mini"}, Constraints: limited,
		}},
		{"another source", map[string]string{"team": "other"}, "engines", Workload{
			Current: "mini", Candidates: []string{"mini", "fleet"}, Constraints: limited,
		}},
		{"a label that is not there is not an empty one", map[string]string{}, "gateway", Workload{
			Current: "mini", Candidates: []string{"mini", "fleet"}, Constraints: limited,
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			tc.want.Policy = c.Policy
			got := c.For(tc.labels, tc.source)
			if diff := cmp.Diff(tc.want, got, exactly); diff != "" {
				t.Errorf("For(%v, %s) (-want +got):\n%s", tc.labels, tc.source, diff)
			}
		})
	}
	w := c.For(map[string]string{}, "gateway")
	w.Candidates[0] = "changed"
	if got := c.For(map[string]string{}, "gateway").Candidates[0]; got != "mini" {
		t.Errorf("a caller changed the configuration: got %q, want mini", got)
	}
}

// TestPolicyOfAWorkload holds that a workload has the policy of the configuration but for the keys of its own.
func TestPolicyOfAWorkload(t *testing.T) {
	t.Parallel()
	c := parse(t, strings.Replace(small, "name: nightly,", "name: nightly, policy: {min_saving_usd: 0, lead_time: 120d, confirmations: 1},", 1)+
		"policy: {enter: 0.3, lead_time: 30d}\n")
	want := c.Policy
	if want.Enter.Cmp(rat("0.3")) != 0 || want.LeadTime != 30*24*time.Hour || want.Confirmations != 3 {
		t.Fatalf("got %+v, want what policy says", want)
	}
	if got := c.For(map[string]string{"team": "support"}, "gateway").Policy; !cmp.Equal(got, want, exactly) {
		t.Errorf("a workload without a policy of its own: got %+v, want %+v", got, want)
	}
	want.MinSavingUSD, want.LeadTime, want.Confirmations = new(big.Rat), 120*24*time.Hour, 1
	if diff := cmp.Diff(want, c.For(map[string]string{"team": "nightly"}, "gateway").Policy, exactly); diff != "" {
		t.Errorf("a workload with a policy of its own (-want +got):\n%s", diff)
	}
	if got := c.LongestLeadTime(); got != want.LeadTime {
		t.Errorf("longest lead time: got %s, want %s", got, want.LeadTime)
	}
}

func TestHashIsOfTheMeaning(t *testing.T) {
	t.Parallel()
	want := parse(t, small).Hash
	if len(want) != 64 {
		t.Errorf("hash: got %q, want 64 hex digits", want)
	}
	for _, tc := range []struct {
		name, from, to string
		same           bool
	}{
		{"a comment", "options:", "# words\noptions:", true},
		{"order of keys", "name: mini, kind: api", "kind: api, name: mini", true},
		{"a default written out", "defaults:", "policy: {enter: 0.2}\ndefaults:", true},
		{"another notation of a number", "3.99", "3.990", true},
		{"a price", "3.99", "3.98", false},
		{"a policy", "defaults:", "policy: {enter: 0.3}\ndefaults:", false},
		{"a time zone", "defaults:", "schedule: {time_zone: Europe/Berlin}\ndefaults:", false},
		{"a constraint", "data_sensitivity: internal", "data_sensitivity: public", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			changed := strings.Replace(small, tc.from, tc.to, 1)
			if changed == small {
				t.Fatalf("%q is not in the configuration", tc.from)
			}
			if got := parse(t, changed).Hash; (got == want) != tc.same {
				t.Errorf("%q for %q: got hash %s, original %s, want same = %v", tc.to, tc.from, got, want, tc.same)
			}
		})
	}
	if got, err := Parse("elsewhere/other.yml", []byte(small), packs...); err != nil || got.Hash != want {
		t.Errorf("the same content in another file: got %v, %v, want hash %s", got, err, want)
	}
	// Keys that a configuration does not give leave its hash as it was before there were such keys.
	before := `{"Slack":{"TokenFile":"","WebhookURLFile":"","Channel":"","APIURL":""},"Webhook":null,"Alertmanager":null,` +
		`"Routes":[{"Kinds":null,"Match":null,"Source":"","SlackChannel":""}]}`
	if got, err := json.Marshal(Notify{Slack: &Slack{}, Routes: []Route{{}}}); err != nil || string(got) != before {
		t.Errorf("got %s, %v, want %s", got, err, before)
	}
}

func TestSecretsComeFromTheEnvironmentAndStayOutOfTheHash(t *testing.T) {
	const url = `"http://prometheus:9090/"`
	text := strings.Replace(small, url, url+`, authorization: {credentials: "${TIPLINE_TEST_TOKEN}"}`, 1)
	t.Setenv("TIPLINE_TEST_TOKEN", "hunter2")
	first := parse(t, text)
	if got := string(first.Sources[0].Prometheus.HTTP.Authorization.Credentials); got != "hunter2" {
		t.Errorf("credentials: got %q, want the value of the environment variable", got)
	}
	t.Setenv("TIPLINE_TEST_TOKEN", "hunter3")
	if second := parse(t, text); first.Hash != second.Hash {
		t.Errorf("the hash depends on a secret: %s and %s", first.Hash, second.Hash)
	}
}

func TestRelativePathsAreRelativeToTheFile(t *testing.T) {
	t.Parallel()
	c := parse(t, small+"notify: {slack: {token_file: slack-token, channel: C0123456789}}\nstore: {path: /var/lib/tipline}\n")
	if got, want := c.Notify.Slack.TokenFile, "/etc/tipline/slack-token"; got != want {
		t.Errorf("token_file: got %q, want %q", got, want)
	}
	if got, want := c.Store.Path, "/var/lib/tipline"; got != want {
		t.Errorf("store.path: got %q, want %q", got, want)
	}
	if got, want := parse(t, small).Store.Path, "/etc/tipline/data"; got != want {
		t.Errorf("store.path by default: got %q, want %q", got, want)
	}
	if got, want := c.Sources[0].Prometheus.URL, "http://prometheus:9090"; got != want {
		t.Errorf("url: got %q, want %q without the slash", got, want)
	}
}

func TestLoadReadsAFile(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "tipline.yml")
	if err := os.WriteFile(file, []byte(small), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Load(file)
	if err != nil {
		t.Fatal(err)
	}
	if want := filepath.Join(filepath.Dir(file), "data"); c.Store.Path != want {
		t.Errorf("store.path: got %q, want %q", c.Store.Path, want)
	}
	if _, err := Load(file + ".absent"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Load of a file that is not there: got %v, want %v", err, os.ErrNotExist)
	}
}

func TestTooLong(t *testing.T) {
	t.Parallel()
	_, err := Parse("tipline.yml", make([]byte, maxBytes+1))
	if want := "tipline.yml: got 1048577 bytes, want at most 1048576"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// FuzzParse holds that no file makes the reader panic, that what is wrong has a place and shows no secret, and that what
// is right is right again and hashes alike.
func FuzzParse(f *testing.F) {
	f.Add([]byte(small))
	f.Add([]byte("schedule: {collect: TZ=X}"))
	f.Add([]byte("schedule: {collect: 'CRON_TZ=X', evaluate: ' TZ=X'}"))
	f.Add([]byte("schedule: {collect: '@every 1h', evaluate: '0 0 29 2 *'}"))
	for _, pattern := range []string{"testdata/bad/*.yml", referenceFile} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := Parse("f.yml", data, packs...)
		if err != nil {
			var problems Problems
			if !errors.As(err, &problems) || len(problems) == 0 {
				t.Fatalf("Parse(%q): got %v, want Problems", data, err)
			}
			for _, p := range problems {
				if p.Text == "" || secretLooking.MatchString(p.Path) || strings.ContainsFunc(p.Error(), unicode.IsControl) {
					t.Errorf("Parse(%q): problem %q", data, p.Error())
				}
			}
			return
		}
		again, err := Parse("f.yml", data, packs...)
		if err != nil || again.Hash != c.Hash {
			t.Errorf("Parse(%q) again: got %v, %v, want hash %s", data, again, err, c.Hash)
		}
		for _, w := range append(c.Workloads, c.Defaults) {
			if w.Current != "" && !slices.Contains(w.Candidates, w.Current) {
				t.Errorf("Parse(%q): current %q is not among the candidates %q", data, w.Current, w.Candidates)
			}
		}
	})
}

// TestSiblings holds that sources count as one server's only when they read it in the same way and with the same pack.
func TestSiblings(t *testing.T) {
	t.Parallel()
	c := parse(t, strings.Replace(small, "options:", `  - {name: a, prometheus: {url: "http://vm:8428"}, pack: vllm, select: {cluster: a}, hosting: self-hosted}
  - {name: b, prometheus: {url: "http://vm:8428"}, pack: vllm, select: {cluster: b}, hosting: self-hosted}
  - {name: another pack, prometheus: {url: "http://vm:8428"}, pack: litellm, select: {cluster: b}, hosting: self-hosted}
  - {name: another server, prometheus: {url: "http://vm-eu:8428"}, pack: vllm, select: {cluster: c}, hosting: self-hosted}
  - {name: another tenant, prometheus: {url: "http://vm:8428", http_headers: {X-Scope-OrgID: {values: [eu]}}}, pack: vllm, select: {cluster: d}, hosting: self-hosted}
options:`, 1))
	got := map[string][]map[string]string{}
	for _, s := range c.Sources {
		if siblings := c.Siblings(s); len(siblings) > 0 {
			got[s.Name] = siblings
		}
	}
	want := map[string][]map[string]string{"a": {{"cluster": "b"}}, "b": {{"cluster": "a"}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestRoutes holds that the first route that covers a message says where it goes and by which notifiers, and that the others go where they went.
func TestRoutes(t *testing.T) {
	t.Parallel()
	c := parse(t, strings.Replace(small, "name: support-a,", "name: support-a, owner: search-team, critical: true,", 1)+`notify:
  slack: {token_file: token, channel: "#llm-cost"}
  webhook: {url: http://receiver:9090}
  alertmanager: {url: http://alertmanager:9093}
  routes:
    - {kinds: [data_fault], slack_channel: "#platform"}
    - {kinds: [drifted], match: {team: support}, slack_channel: "#support-ml"}
    - {source: gateway, slack_channel: "#gateway"}
    - {kinds: [approaching], notifiers: [webhook]}
    - {kinds: [digest, switched], slack_channel: "#finops", notifiers: [slack, alertmanager]}
    - {owners: [search-team], severities: [warning, critical], slack_channel: "#search-oncall"}
    - {severities: [critical], slack_channel: "#oncall"}
    - {kinds: [workload_new, workload_gone], owners: [search-team], slack_channel: "#search", notifiers: [slack]}
`)
	support := map[string]string{"team": "support"}
	for _, tc := range []struct {
		Message
		want   string
		except []string
	}{
		{Message{Kind: "data_fault", Severity: "warning"}, "#platform", nil},
		{Message{Kind: "prices_moved", Severity: "info"}, "own", nil},
		{Message{Kind: "drifted", Severity: "info", Labels: support, Source: "vllm"}, "#support-ml", nil},
		{Message{Kind: "drifted", Severity: "info", Labels: map[string]string{"team": "search"}, Source: "vllm"}, "own", nil},
		{Message{Kind: "first_seen", Severity: "info", Labels: support, Source: "vllm"}, "own", nil},
		{Message{Kind: "first_seen", Severity: "info", Labels: support, Source: "gateway"}, "#gateway", nil},
		{Message{Kind: "no_option", Severity: "warning", Owner: "search-team", Source: "vllm"}, "#search-oncall", nil},
		{Message{Kind: "first_seen", Severity: "info", Owner: "search-team", Source: "vllm"}, "own", nil},
		{Message{Kind: "no_option", Severity: "warning", Source: "vllm"}, "own", nil},
		{Message{Kind: "no_option", Severity: "critical", Source: "vllm"}, "#oncall", nil},
		{Message{Kind: "approaching", Severity: "info", Source: "vllm"}, "own", []string{"slack", "alertmanager"}},
		{Message{Kind: "switched", Severity: "info", Source: "vllm"}, "#finops", []string{"webhook"}},
		{Message{Kind: "digest", Severity: "info"}, "#finops", []string{"webhook"}},
	} {
		tc.Own = "own"
		if got, want := c.Route(tc.Message), (Destination{Channel: tc.want, Except: tc.except}); !cmp.Equal(got, want) {
			t.Errorf("%+v: got %+v, want %+v", tc.Message, got, want)
		}
	}
	// The beginning and the end of a workload go nowhere unless a route names them, whatever other routes cover.
	for _, tc := range []struct {
		Message
		want Destination
	}{
		{Message{Kind: "workload_new", Severity: "info", Source: "gateway"}, Destination{Nowhere: true}},
		{Message{Kind: "workload_gone", Severity: "critical", Source: "vllm"}, Destination{Nowhere: true}},
		{Message{Kind: "workload_gone", Severity: "warning", Owner: "search-team", Source: "gateway"}, Destination{Channel: "#search", Except: []string{"webhook", "alertmanager"}}},
	} {
		if got := c.Route(tc.Message); !cmp.Equal(got, tc.want) {
			t.Errorf("%+v: got %+v, want %+v", tc.Message, got, tc.want)
		}
	}
	if w := c.Workloads[0]; w.Owner != "search-team" || !w.Critical {
		t.Errorf("got %+v, want its owner, and that it is critical", w)
	}
}

// TestLabels holds that labels say of a workload what its stanza does not.
func TestLabels(t *testing.T) {
	t.Parallel()
	text := strings.Replace(small, "group_by: [team, model]", "group_by: [team, model, tier]", 1)
	text = strings.Replace(text, "name: support-a,", `name: support-a, owner: search-team, cost_centre: "17",`, 1)
	c := parse(t, text+`  labels: {owner: team, cost_centre: model, critical: {tier: [gold, platinum]}}
notify:
  slack: {token_file: token, channel: "#llm-cost"}
  routes:
    - {owners: [whoever], slack_channel: "#whoever"}
`)
	type said struct {
		owner, costCentre string
		critical          bool
	}
	for _, tc := range []struct {
		name   string
		labels map[string]string
		want   said
	}{
		{"its stanza says it", map[string]string{"team": "support", "model": "a"}, said{"search-team", "17", false}},
		{"another label says that it is critical", map[string]string{"team": "support", "model": "a", "tier": "platinum"}, said{"search-team", "17", true}},
		{"its stanza does not", map[string]string{"team": "support", "model": "b", "tier": "silver"}, said{"support", "b", false}},
		{"no stanza", map[string]string{"team": "x", "tier": "gold"}, said{"x", "", true}},
		{"no label", nil, said{}},
	} {
		w := c.For(tc.labels, "gateway")
		if got := (said{w.Owner, w.CostCentre, w.Critical}); got != tc.want {
			t.Errorf("%s: got %+v, want %+v", tc.name, got, tc.want)
		}
	}
	if w := parse(t, small).For(map[string]string{"team": "x"}, "gateway"); w.Owner != "" || w.CostCentre != "" || w.Critical {
		t.Errorf("got %+v, want nothing where no label says it", w)
	}
}

// TestChannelLabel holds that a label chooses among the channels that it may name, and nothing else, before the channel of defaults and after that of a stanza.
func TestChannelLabel(t *testing.T) {
	t.Parallel()
	text := strings.Replace(small, "name: support-a,", `name: support-a, notify: {slack_channel: "#own"},`, 1)
	c := parse(t, text+`  notify: {slack_channel: "#shared"}
  labels: {slack_channel: {team: ["#Search", C0AB12, "#llm-*"]}}
notify:
  slack: {token_file: token, channel: "#llm-cost"}
  routes: [{kinds: [digest], slack_channel: "#digests"}]
`)
	for asked, want := range map[string]string{
		"": "#shared", "#Search": "#Search", "Search": "#Search", "C0AB12": "C0AB12", "#llm-ops": "#llm-ops", "llm-ops": "#llm-ops", "llm-größe_2": "#llm-größe_2",
		"#search": "", "c0ab12": "", "C0AB123": "", "#llm": "", "#digests": "", "general": "", "@someone": "", "#": "", "#llm-*": "", "#llm-<!channel>": "", "llm-a b": "",
		"#llm-a,#general": "", "#llm-\n": "", "#llm-\u202egeneral": "", "#llm-OPS": "", "llm-" + strings.Repeat("x", 77): "", "##llm-ops": "",
	} {
		w := c.For(map[string]string{"team": asked}, "gateway")
		refused := ""
		if want == "" {
			refused, want = asked, "#shared"
		}
		if w.SlackChannel != want || w.Refused != refused {
			t.Errorf("%q: got the channel %q, and %q refused, want %q and %q", asked, w.SlackChannel, w.Refused, want, refused)
		}
	}
	if w := c.For(map[string]string{"team": "support", "model": "a"}, "gateway"); w.SlackChannel != "#own" || w.Refused != "" {
		t.Errorf("got the channel %q, and %q refused, want that of its stanza", w.SlackChannel, w.Refused)
	}
	every := parse(t, small+"  labels: {slack_channel: {team: \"#*\"}}\nnotify: {slack: {token_file: token, channel: \"#x\"}}\n")
	if w := every.For(map[string]string{"team": "general"}, "gateway"); w.SlackChannel != "#general" {
		t.Errorf("got %q, want any channel", w.SlackChannel)
	}
}

// TestMeasuredThroughput holds that what a replica can do may be left to measurement where a workload runs on the option, and only there.
func TestMeasuredThroughput(t *testing.T) {
	t.Parallel()
	const book, typed = "    throughput: {book: tensorrt-llm/llama-3.3-70b-fp8/2xh100}\n", "    throughput: {tokens_per_hour: 6000000}\n"
	for _, tc := range []struct {
		name, from, to string
		wrong          string // empty: it is right
		prefer         bool
	}{
		{"nothing is typed of the current option", book, "", "", false},
		{"it is said", book, "    throughput: {measured: true}\n", "", true},
		{"beside what is typed", book, strings.Replace(book, "{", "{measured: true, ", 1), "", true},
		{"nothing is typed of another option", typed, "", "options[2]: throughput is missing, want tokens_per_hour", false},
		{"of another option it is said", typed, "    throughput: {measured: true}\n", "options[2].throughput: tokens_per_hour is missing, want", false},
		{"neither said nor typed", book, "    throughput: {measured: false}\n", "want exactly one of tokens_per_hour", false},
		{
			"of what was bought", book, "    throughput: {measured: true, provisioned: {input_tokens_per_minute: 2500, output_weight: 4}}\n",
			"options[1].throughput.measured: has no effect on provisioned throughput", false,
		},
	} {
		c, err := Parse("tipline.yml", []byte(strings.Replace(small, tc.from, tc.to, 1)), packs...)
		if tc.wrong != "" {
			if err == nil || !strings.Contains(err.Error(), tc.wrong) || strings.Count(err.Error(), "\n") > 0 {
				t.Errorf("%s: got %v, want %q alone", tc.name, err, tc.wrong)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: got %v", tc.name, err)
			continue
		}
		if o := option(t, c, "fleet"); o.PreferMeasured != tc.prefer || o.GPUsPerReplica != 2 || o.Capacity == nil || o.Capacity.TokensPerHour != nil {
			t.Errorf("%s: got %+v", tc.name, o)
		}
	}
	const scenario = "options:\n  - name: fleet\n    kind: self-hosted\n    gpu: {type: h100, usd_per_hour: 3.99}\ncurrent: fleet\nvolume: {tokens_per_month: 1000000000, mix: {input: 0.8, output: 0.2}}\n"
	if _, err := ParseScenario("s.yml", []byte(scenario)); err == nil || !strings.Contains(err.Error(), "options[0]: throughput is missing") {
		t.Errorf("a scenario, which has no history: got %v", err)
	}
}
