package draft

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	promconfig "github.com/prometheus/common/config"
	"go.yaml.in/yaml/v4"

	"tipline/collector"
	"tipline/config"
	"tipline/model"
)

var now = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// meter returns what a pack counts in 28 days.
func meter(pack string, groupBy []string, streams ...collector.Stream) collector.Metered {
	return collector.Metered{Pack: pack, Metrics: []string{"x"}, GroupBy: groupBy, Window: 28 * 24 * time.Hour, Streams: streams}
}

func stream(input, output model.Tokens, pairs ...string) collector.Stream {
	labels := map[string]string{}
	for i := 0; i+1 < len(pairs); i += 2 {
		labels[pairs[i]] = pairs[i+1]
	}
	return collector.Stream{Labels: labels, Input: input, Output: output}
}

func gatewayMeter(streams ...collector.Stream) collector.Metered {
	return meter("litellm", []string{"team_alias", "requested_model"}, streams...)
}

func engineMeter(streams ...collector.Stream) collector.Metered {
	return meter("vllm", []string{"namespace", "model_name"}, streams...)
}

// asked returns a stream of a gateway.
func asked(input, output model.Tokens, team, requested, upstream, provider string) collector.Stream {
	return stream(input, output, "team_alias", team, "requested_model", requested, "model", upstream, "api_provider", provider, "job", "litellm")
}

// write returns a draft and what it means.
func write(t *testing.T, d collector.Discovery) (Draft, *config.Config) {
	t.Helper()
	written, err := Write(d, nil, Server{URL: "http://prometheus:9090"}, now)
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Parse("tipline.yml", written.Config, collector.Packs()...)
	if err != nil {
		t.Fatalf("%v in\n%s", err, written.Config)
	}
	for _, o := range cfg.Options {
		if len(o.Warnings) > 0 {
			t.Errorf("option %s: %v", o.Name, o.Warnings)
		}
	}
	return written, cfg
}

// said returns the lines of the findings of a kind.
func (d Draft) said(about string) string {
	for _, f := range d.Findings {
		if f.About == about {
			return strings.Join(f.Lines, "\n")
		}
	}
	return ""
}

// TestTwice holds what is taken for one stream of tokens at two meters: the same model with about the same input and output, unless the
// gateway says that somebody else is paid for it.
func TestTwice(t *testing.T) {
	t.Parallel()
	llama := "meta-llama/Llama-3.3-70B-Instruct"
	at := func(input, output model.Tokens, name string) collector.Stream {
		return stream(input, output, "namespace", "llm", "model_name", name, "job", "vllm")
	}
	for name, tc := range map[string]struct {
		gateway, engine collector.Stream
		twice           bool
		about           string // of the finding
	}{
		"all of it":               {asked(9e6, 1e6, "a", "llama", llama, "hosted_vllm"), at(9.2e6, 1.02e6, llama), true, "metered twice"},
		"under another spelling":  {asked(9e6, 1e6, "a", "llama-3.3-70b", "", "openai"), at(9.2e6, 1.02e6, llama), true, "metered twice"},
		"nobody says who serves":  {asked(9e6, 1e6, "a", llama, "", ""), at(9e6, 1e6, llama), true, "metered twice"},
		"half of it":              {asked(9e6, 1e6, "a", "llama", llama, "hosted_vllm"), at(18e6, 2e6, llama), false, "perhaps metered twice"},
		"input alone":             {asked(9e6, 1e6, "a", "llama", llama, "hosted_vllm"), at(9e6, 2e6, llama), false, "perhaps metered twice"},
		"another model":           {asked(9e6, 1e6, "a", "llama", llama, "hosted_vllm"), at(9e6, 1e6, "org/other"), false, ""},
		"somebody else is paid":   {asked(9e6, 1e6, "a", "llama", llama, "deepinfra"), at(9e6, 1e6, llama), false, ""},
		"too few to tell":         {asked(900, 100, "a", "llama", llama, "hosted_vllm"), at(900, 100, llama), false, ""},
		"nothing says what it is": {asked(9e6, 1e6, "a", "", "", "hosted_vllm"), at(9e6, 1e6, ""), false, ""},
	} {
		d, cfg := write(t, collector.Discovery{Metered: []collector.Metered{engineMeter(tc.engine), gatewayMeter(tc.gateway)}})
		if got := metersOf(cfg); d.Sources != 2 || got["litellm"] == "" || (got["vllm secondary"] != "") != tc.twice || (got["vllm"] == "") != tc.twice {
			t.Errorf("%s: got the stanzas %q of %d sources, want those of the engine secondary: %v in\n%s", name, got, d.Sources, tc.twice, d.Config)
		}
		if want := map[bool]int{true: 1, false: 2}[tc.twice]; d.Workloads != want {
			t.Errorf("%s: got %d workloads, want %d: what is counted twice is one", name, d.Workloads, want)
		}
		for _, about := range []string{"metered twice", "perhaps metered twice"} {
			if said := d.said(about); (said != "") != (about == tc.about) || said != "" && (!strings.Contains(said, "litellm") || !strings.Contains(said, "vllm")) {
				t.Errorf("%s: %s: got %q", name, about, said)
			}
		}
	}
}

// metersOf returns what the stanzas of cfg match, by their source and meter.
func metersOf(cfg *config.Config) map[string]string {
	by := map[string]string{}
	for _, w := range cfg.Workloads {
		key := strings.TrimSpace(w.Source + " " + w.Meter)
		var values []string
		for _, label := range slices.Sorted(maps.Keys(w.Match)) {
			values = append(values, strings.Join(w.Match[label], "|"))
		}
		slices.Reverse(values) // team before model
		by[key] = strings.TrimPrefix(by[key]+" "+strings.Join(values, "/"), " ")
	}
	return by
}

// TestTwiceInPart holds that what only one of two meters counts stays priced there, that what both count is matched by the models that are known now, or by all labels where
// another workload has the same model, and that a workload of which a part is counted twice is said.
func TestTwiceInPart(t *testing.T) {
	t.Parallel()
	sdk := func(input, output model.Tokens, job, requested, responded string) collector.Stream {
		return stream(input, output, "job", job, "gen_ai_request_model", requested, "gen_ai_response_model", responded)
	}
	gateway := gatewayMeter(asked(9e6, 1e6, "a", "m-1", "org/m-1", "hosted_vllm"), asked(4e6, 1e6, "a", "m-2", "org/m-2", "hosted_vllm"))
	engine := func(input, output model.Tokens, name string) collector.Stream {
		return stream(input, output, "namespace", "llm", "model_name", name, "job", "vllm")
	}
	group := []string{"job", "gen_ai_request_model"}
	for name, tc := range map[string]struct {
		other  collector.Metered
		want   map[string]string // of the stanzas of the other source
		inPart string
	}{
		"two of three models": {
			engineMeter(engine(9e6, 1e6, "org/m-1"), engine(4e6, 1e6, "org/m-2"), engine(1e6, 1e5, "org/own")),
			map[string]string{"vllm": "llm/org/own", "vllm secondary": "org/m-1|org/m-2"},
			"",
		},
		"one of two workloads of a model": {
			meter("otel-genai", group, sdk(9e6, 1e6, "chat", "m", "org/m-1"), sdk(2e6, 2e5, "search", "m", "org/other")),
			map[string]string{"otel-genai": "search/m", "otel-genai secondary": "chat/m"},
			"",
		},
		"most of a workload": {
			meter("otel-genai", group, sdk(9e6, 1e6, "chat", "m", "org/m-1"), sdk(2e6, 2e5, "chat", "m", "org/other")),
			map[string]string{"otel-genai secondary": "m"},
			"10.0M of the 12.2M tokens of chat/m (otel-genai) are counted by litellm too, and all of them are priced at litellm",
		},
		"the lesser part of a workload": {
			meter("otel-genai", group, sdk(9e6, 1e6, "chat", "m", "org/m-1"), sdk(20e6, 2e6, "chat", "m", "org/other")),
			map[string]string{"otel-genai": "chat/m"},
			"10.0M of the 32.0M tokens of chat/m (otel-genai) are counted by litellm too, and all of them are priced at otel-genai",
		},
	} {
		d, cfg := write(t, collector.Discovery{Metered: []collector.Metered{gateway, tc.other}})
		got := metersOf(cfg)
		delete(got, "litellm")
		if !maps.Equal(got, tc.want) || !strings.Contains(d.said("perhaps metered twice"), tc.inPart) || (d.said("perhaps metered twice") != "") != (tc.inPart != "") {
			t.Errorf("%s: got %q and %q, want %q in\n%s", name, got, d.said("perhaps metered twice"), tc.want, d.Config)
		}
	}
}

// TestTwiceAtACloud holds that a cloud that counts what a gateway sends to it does not make it an engine of one's own, that it counts nothing which the gateway sends to
// somebody else, and that a gateway which does not say whom it pays may be in front of another.
func TestTwiceAtACloud(t *testing.T) {
	t.Parallel()
	const claude = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
	cloud := meter("bedrock-yace", []string{"dimension_ModelId"}, stream(9e6, 1e6, "dimension_ModelId", claude))
	for provider, want := range map[string]struct{ meters, about string }{
		"aws.bedrock": {"secondary", "metered twice"},
		"anthropic":   {"", ""},
		"openai":      {"secondary", "metered twice"}, // what a gateway calls another gateway
		"":            {"secondary", "metered twice"},
	} {
		d, cfg := write(t, collector.Discovery{Metered: []collector.Metered{cloud, gatewayMeter(asked(9e6, 1e6, "a", "claude", claude, provider))}})
		i := slices.IndexFunc(cfg.Workloads, func(w config.Workload) bool { return w.Source == "bedrock-yace" })
		if i < 0 || cfg.Workloads[i].Meter != want.meters || (d.said("metered twice") != "") != (want.about != "") || d.said("perhaps metered twice") != "" {
			t.Errorf("%q: got %+v, %+v in\n%s", provider, cfg.Workloads, d.Findings, d.Config)
		}
		for _, s := range cfg.Sources {
			if s.Hosting != model.API {
				t.Errorf("%q: got %s at %s, want api: nothing here is an engine of one's own", provider, s.Hosting, s.Name)
			}
		}
	}
}

// TestTwiceAtOneProvider holds that of a model which two providers are paid for, what a gateway counts too is priced there, and that what goes past it to the other stays priced where it is counted.
func TestTwiceAtOneProvider(t *testing.T) {
	t.Parallel()
	sdk := func(input, output model.Tokens, name, provider string) collector.Stream {
		return stream(input, output, "job", "app", "gen_ai_request_model", name, "gen_ai_provider_name", provider)
	}
	gateway := gatewayMeter(asked(9e6, 1e6, "a", "claude", "claude-sonnet-4-5", "anthropic"))
	client := meter("otel-genai", []string{"job", "gen_ai_request_model"},
		sdk(9e6, 1e6, "claude-sonnet-4-5", "anthropic"), sdk(7e6, 7e5, "us.anthropic.claude-sonnet-4-5-20250929-v1:0", "aws.bedrock"))
	d, cfg := write(t, collector.Discovery{Metered: []collector.Metered{gateway, client}})
	got := metersOf(cfg)
	if got["otel-genai"] != "app/us.anthropic.claude-sonnet-4-5-20250929-v1:0" || got["otel-genai secondary"] != "claude-sonnet-4-5" || d.Tokens != 17.7e6 {
		t.Errorf("got %q and %.3g tokens, want what goes to Bedrock priced in\n%s", got, float64(d.Tokens), d.Config)
	}
}

// TestChoices holds what is taken for the current option of a workload: what its labels say, as the price book has it, and nothing otherwise.
func TestChoices(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ requested, upstream, provider, current, taken string }{
		"as the book writes it":      {"chat", "meta-llama/llama-3.3-70b-instruct", "novita", "novita-meta-llama-llama-3.3-70b-instruct", ""},
		"with its provider in front": {"chat", "openai/gpt-5-mini", "openai", "openai-gpt-5-mini", ""},
		"with a date":                {"chat", "claude-haiku-4-5-20251001", "anthropic", "anthropic-claude-haiku-4-5", ""},
		"in other letters":           {"GPT-5-mini", "", "openai", "openai-gpt-5-mini", ""},
		"as Bedrock writes it":       {"chat", "us.meta.llama3-3-70b-instruct-v1:0", "aws.bedrock", "bedrock-meta.llama3-3-70b-instruct-v1:0", "us.meta.llama3-3-70b-instruct-v1:0 for bedrock/meta.llama3-3-70b-instruct-v1:0 (a/chat, "},
		"under a name alike":         {"fast", "gpt5-mini", "openai", "openai-gpt-5-mini", "gpt5-mini for openai/gpt-5-mini (a/fast, "},
		"by its maker":               {"gpt-5-mini", "", "", "openai-gpt-5-mini", ""},
		"weights that many serve":    {"gpt-oss-120b", "", "", "", ""},
		"another provider":           {"gpt-5-mini", "", "azure", "", ""},
		"unknown":                    {"acme-9", "", "acme", "", ""},
		"unknown behind an alias":    {"best", "acme-9-large", "acme", "", ""},
	} {
		d, cfg := write(t, collector.Discovery{Metered: []collector.Metered{gatewayMeter(asked(9e6, 1e6, "a", tc.requested, tc.upstream, tc.provider))}})
		if got := cfg.Workloads[0].Current; got != tc.current {
			t.Errorf("%s: got %q, want %q in\n%s", name, got, tc.current, d.Config)
		}
		if unpriced := d.said("without a price"); (unpriced == "") == (tc.current == "") || unpriced != "" && tc.upstream != "" && !strings.Contains(unpriced, tc.upstream) {
			t.Errorf("%s: got %q, want to be told whether it has a price, under its name and not under its alias", name, unpriced)
		}
		if got := d.said("taken for a model of a similar name"); (got != "") != (tc.taken != "") || !strings.Contains(got, tc.taken) || strings.Contains(string(d.Config), "since the names are alike") != (tc.taken != "") {
			t.Errorf("%s: got %q, want %q, and the same at its stanza in\n%s", name, got, tc.taken, d.Config)
		}
	}
}

// TestGPUs holds that engines get the GPUs of their namespace, and a price only where the book has the type and a measured replica.
func TestGPUs(t *testing.T) {
	t.Parallel()
	engine := engineMeter(stream(9e6, 1e6, "namespace", "llm", "model_name", "meta-llama/Llama-3.1-8B-Instruct", "job", "vllm"))
	cards := func(kind string, count float64) collector.Cards {
		return collector.Cards{Pack: "dcgm", Namespace: "llm", Type: kind, Count: count}
	}
	for name, tc := range map[string]struct {
		cards   []collector.Cards
		current string
		want    string // in the configuration
	}{
		"known":       {[]collector.Cards{cards("NVIDIA H100 80GB HBM3", 8)}, "own-llama-3.1-8b-fp8-1xh100", "min_replicas: 7 # 8 GPUs are there"},
		"no replica":  {[]collector.Cards{cards("NVIDIA A100-SXM4-80GB", 8)}, "", "gpu: {type: a100, per_replica: \"?\", price: "},
		"no price":    {[]collector.Cards{cards("Tesla V100", 8)}, "", "gpu: {type: \"?\", per_replica: \"?\", usd_per_hour: \"?\"}"},
		"two types":   {[]collector.Cards{cards("NVIDIA H100 80GB HBM3", 8), cards("NVIDIA H200", 2)}, "", "# 8 NVIDIA H100 80GB HBM3, 2 NVIDIA H200"},
		"none":        {nil, "", "engines of your own with meta-llama/Llama-3.1-8B-Instruct"},
		"of others":   {[]collector.Cards{{Pack: "dcgm", Namespace: "training", Type: "NVIDIA B200", Count: 16}}, "", "16 GPUs NVIDIA B200 in namespace training (dcgm): no workload was found there"},
		"of no place": {[]collector.Cards{{Pack: "nvidia-smi", Count: 2}}, "", "no namespace that is said"},
	} {
		d, cfg := write(t, collector.Discovery{Metered: []collector.Metered{engine}, Cards: tc.cards})
		if cfg.Workloads[0].Current != tc.current || !strings.Contains(string(d.Config), tc.want) {
			t.Errorf("%s: got %q, want %q and %q in\n%s", name, cfg.Workloads[0].Current, tc.current, tc.want, d.Config)
		}
		if (cfg.Sources[0].GPUs != nil) != (len(tc.cards) > 0 && tc.cards[0].Namespace == "llm") {
			t.Errorf("%s: got the GPUs %+v", name, cfg.Sources[0].GPUs)
		}
	}
}

// TestSharedFleet holds that a fleet which several workloads share is given no least number of replicas, of which each would pay for all, and that it is known what is there
// although another workload could use the same option.
func TestSharedFleet(t *testing.T) {
	t.Parallel()
	const llama = "meta-llama/Llama-3.1-8B-Instruct"
	engine := func(namespace, name string, input model.Tokens) collector.Stream {
		return stream(input, 1e6, "namespace", namespace, "model_name", name, "job", "vllm")
	}
	cards := []collector.Cards{{Pack: "dcgm", Namespace: "llm", Type: "NVIDIA H100 80GB HBM3", Count: 8}}
	api := gatewayMeter(asked(90e6, 1e6, "a", llama, "", "deepinfra"))
	d, _ := write(t, collector.Discovery{Metered: []collector.Metered{api, engineMeter(engine("llm", llama, 9e6))}, Cards: cards})
	if !strings.Contains(string(d.Config), "min_replicas: 7 # 8 GPUs are there") {
		t.Errorf("the workload of another source asked for the option first: no replicas in\n%s", d.Config)
	}
	var many []collector.Stream // of which those of this model have one stanza
	for i := range maxStanzas {
		many = append(many, asked(90e6, 1e6, fmt.Sprintf("team-%d", i), "gpt-5-mini", "", "openai"))
	}
	d, _ = write(t, collector.Discovery{Metered: []collector.Metered{gatewayMeter(many...), engineMeter(engine("llm", llama, 9e6), engine("more", llama, 8e6))}, Cards: cards})
	if !strings.Contains(string(d.Config), "all others of this model, 2 with") || strings.Contains(string(d.Config), "min_replicas") {
		t.Errorf("want one stanza of two workloads on one fleet without a least number of replicas in\n%s", d.Config)
	}
	gateway := gatewayMeter(asked(6e6, 6e5, "a", llama, "", "hosted_vllm"), asked(3e6, 4e5, "b", llama, "", "hosted_vllm"))
	d, cfg := write(t, collector.Discovery{Metered: []collector.Metered{gateway, engineMeter(engine("llm", llama, 9e6))}, Cards: cards})
	if cfg.Workloads[0].Current == "" || cfg.Workloads[0].Current != cfg.Workloads[1].Current || strings.Contains(string(d.Config), "min_replicas") {
		t.Errorf("got %+v, want two workloads on one fleet without a least number of replicas in\n%s", cfg.Workloads, d.Config)
	}
}

// TestServed holds what is said of who serves a workload whose model nothing says.
func TestServed(t *testing.T) {
	t.Parallel()
	d, _ := write(t, collector.Discovery{Metered: []collector.Metered{
		meter("tgi", []string{"namespace", "service"}, stream(9e6, 1e6, "namespace", "embed", "service", "tgi")), gatewayMeter(asked(1e6, 1e5, "a", "", "", "")),
	}})
	for _, want := range []string{"served by engines of your own, which do not say their model\n", "served by a model that no label names\n"} {
		if !strings.Contains(string(d.Config), want) {
			t.Errorf("no %q in\n%s", want, d.Config)
		}
	}
}

// TestManyWorkloads holds that the largest have a stanza, that the others of a model have one together, after those that are priced elsewhere, and that what is in none is said.
func TestManyWorkloads(t *testing.T) {
	t.Parallel()
	var gateway, engines []collector.Stream
	for i := range maxStanzas + 50 {
		gateway = append(gateway, asked(model.Tokens(1e6*(i+2)), 0, fmt.Sprintf("team-%d", i), "gpt-5-mini", "", "openai"))
	}
	gateway = append(gateway, asked(1e6, 0, "small", "acme-9", "", "acme"), asked(2e5, 0, "nobody", "", "", ""), asked(4e5, 1e5, "late", "m", "org/m", "hosted_vllm"))
	engines = append(engines, stream(4e5, 1e5, "namespace", "llm", "model_name", "org/m", "job", "vllm"))
	d, cfg := write(t, collector.Discovery{Metered: []collector.Metered{gatewayMeter(gateway...), engineMeter(engines...)}})
	if !slices.Equal(cfg.Workloads[0].Match["team_alias"], []string{"team-149"}) || !strings.Contains(d.said("not placed"), "1 more workloads with 200k tokens") {
		t.Errorf("first %v, %q", cfg.Workloads[0].Match, d.said("not placed"))
	}
	var rest []string
	for _, w := range cfg.Workloads[maxStanzas:] {
		rest = append(rest, fmt.Sprint(w.Match, w.Meter, w.Current))
	}
	want := []string{"map[model_name:[org/m]]secondary", "map[requested_model:[gpt-5-mini]]openai-gpt-5-mini", "map[requested_model:[acme-9]]", "map[requested_model:[m]]"}
	if !slices.Equal(rest, want) || !strings.Contains(string(d.Config), "# all others of this model, 50 with 1.32B tokens in 28 days, as the largest of them, which is served by openai/gpt-5-mini\n") {
		t.Errorf("got %q, want %q in\n%s", rest, want, d.Config)
	}
}

// TestSourceComments holds what is said of a source that is not what its pack expects.
func TestSourceComments(t *testing.T) {
	t.Parallel()
	m := gatewayMeter(asked(9e6, 1e6, "", "gpt-5-mini", "", "openai"))
	m.GroupBy, m.Rivals, m.Window, m.Select = []string{"requested_model"}, []string{"other"}, 7*24*time.Hour, map[string]string{"job": "litellm-eu"}
	d, cfg := write(t, collector.Discovery{Metered: []collector.Metered{m}})
	for _, want := range []string{
		"40.0M tokens in 28 days, going by the last 7 days,", "read by other too", "has the label team_alias,",
		"- name: litellm-litellm-eu\n", "select: {job: litellm-eu}",
	} {
		if !strings.Contains(string(d.Config), want) {
			t.Errorf("no %q in\n%s", want, d.Config)
		}
	}
	if !slices.Equal(cfg.Workloads[0].Match["requested_model"], []string{"gpt-5-mini"}) || len(cfg.Workloads[0].Match) != 1 {
		t.Errorf("got the stanza %v, want one of the labels that there are", cfg.Workloads[0].Match)
	}
}

// TestRefused holds that a workload whose labels a configuration does not take is told of and measured, and that no key is shown.
func TestRefused(t *testing.T) {
	t.Parallel()
	const key = "sk-0123456789abcdef0123"
	d, cfg := write(t, collector.Discovery{Metered: []collector.Metered{gatewayMeter(
		asked(9e6, 1e6, key, "gpt-5-mini", "", "openai"),
		asked(8e6, 1e6, strings.Repeat("x", longestLabel+1), "gpt-5-mini", "", "openai"),
		asked(7e6, 1e6, strings.Repeat("x", longestLabel), "gpt-5-mini", "", "openai"),
	)}})
	said := d.said("labels that are refused")
	if len(cfg.Workloads) != 1 || d.Workloads != 3 || strings.Count(said, "\n") != 1 || !strings.Contains(said, "one has 1001 bytes") || !strings.Contains(said, "looks like a secret") {
		t.Errorf("got %d stanzas and %q", len(cfg.Workloads), said)
	}
	if strings.Contains(string(d.Config)+said, key) {
		t.Error("a key is shown")
	}
	const llama = "meta-llama/Llama-3.3-70B-Instruct"
	gateway := gatewayMeter(asked(9e6, 1e6, "a", "llama", llama, "hosted_vllm"))
	gateway.Select = map[string]string{"job": "Bearer " + key}
	d, cfg = write(t, collector.Discovery{Metered: []collector.Metered{gateway, engineMeter(stream(9e6, 1e6, "namespace", "llm", "model_name", llama))}})
	if len(cfg.Sources) != 1 || cfg.Sources[0].Pack != "vllm" || len(cfg.Workloads) != 0 || !strings.Contains(d.said("labels that are refused"), "the source litellm with 10.0M tokens in 28 days is left out, and what other sources count too is priced there") {
		t.Errorf("got %+v, want nothing left to a source that is not read in\n%s", cfg.Workloads, d.Config)
	}
}

// TestHour holds that a GPU has the price in the middle of those on demand, of its memory where there is one.
func TestHour(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	text.WriteString("item,field,value,unit,valid_from,valid_to,source,checked_at,note\n")
	for _, row := range []string{
		"a/h100-80gb/spot,usd_per_hour,1", "b/h100-80gb/on-demand,usd_per_hour,2", "c/h100-94gb-nvl/on-demand,usd_per_hour,3",
		"d/h100-80gb/on-demand,usd_per_hour,4", "e/h100-80gb/on-demand,usd_per_hour,9", "f/h200-141gb/on-demand,usd_per_hour,5",
	} {
		text.WriteString(row + ",USD/GPU-hour,,,test,2026-11-01,\n")
	}
	prices, err := config.ReadBook(strings.NewReader(text.String()))
	if err != nil {
		t.Fatal(err)
	}
	for exported, want := range map[string]string{
		"NVIDIA H100 80GB HBM3": "d/h100-80gb/on-demand", "NVIDIA H100 NVL 94GB": "c/h100-94gb-nvl/on-demand", "NVIDIA H100": "c/h100-94gb-nvl/on-demand",
		"NVIDIA H100 64GB": "c/h100-94gb-nvl/on-demand", "nvidia_h200": "f/h200-141gb/on-demand", "NVIDIA A100": "", "": "",
	} {
		c, _ := book{prices}.card(exported)
		if got, said := (book{prices}).hour(c); got != want || (said == "") != (want == "") {
			t.Errorf("%q: got %q, %q, want %q", exported, got, said, want)
		}
	}
}

// TestNothing holds that there is no configuration where nothing is metered.
func TestNothing(t *testing.T) {
	t.Parallel()
	d, err := Write(collector.Discovery{Unplaced: []collector.Unplaced{{Metrics: []string{"a\nb"}, Jobs: []string{"j"}, Why: "no"}}}, nil, Server{}, now)
	if err != nil || d.Config != nil || d.said("not placed") != `"a\nb" of j: no` {
		t.Errorf("got %v, %+v", err, d)
	}
}

// TestModelKey holds which names are of one model.
func TestModelKey(t *testing.T) {
	t.Parallel()
	for key, names := range map[string][]string{
		"llama 3 3 70b": {
			"meta-llama/Llama-3.3-70B-Instruct", "us.meta.llama3-3-70b-instruct-v1:0", "llama-3.3-70b", "llama-3.3-70b-versatile",
			"Llama-3.3-70B-Instruct-Turbo", "llama-3.3-70b-fp8",
		},
		"claude haiku 4 5":      {"claude-haiku-4-5", "anthropic/claude-haiku-4-5-20251001", "eu.anthropic.claude-haiku-4-5-20251001-v1:0"},
		"gpt 4 1 mini":          {"gpt-4.1-mini", "gpt-4.1-mini-2025-04-14"},
		"gpt oss 120b":          {"openai.gpt-oss-120b-1:0", "openai/gpt-oss-120b"},
		"deepseek v3 1":         {"deepseek-ai/DeepSeek-V3.1", "accounts/fireworks/models/deepseek-v3p1"},
		"mixtral 8x7b":          {"mistral.mixtral-8x7b-instruct-v0:1", "Mixtral-8x7B-Instruct-v0.1"},
		"qwen 3 235b a22b 2507": {"Qwen3-235B-A22B-Instruct-2507", "qwen.qwen3-235b-a22b-2507-v1:0"},
		"gpt 4 turbo":           {"gpt-4-turbo"},
		"":                      {"", "chat", "///", "!!"},
	} {
		for _, name := range names {
			if got := modelKey(name); got != key {
				t.Errorf("%q: got %q, want %q", name, got, key)
			}
		}
	}
}

// TestClient holds that every way to authenticate is taken over, and no secret.
func TestClient(t *testing.T) {
	t.Parallel()
	const secret = promconfig.Secret("hunter2")
	proxy, err := url.Parse("http://proxy:3128")
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		client promconfig.HTTPClientConfig
		want   string
		left   string
	}{
		"none":               {promconfig.HTTPClientConfig{}, "{}\n", ""},
		"basic":              {promconfig.HTTPClientConfig{BasicAuth: &promconfig.BasicAuth{Username: "u", PasswordFile: "/p"}}, "basic_auth:\n  username: u\n  password_file: \"/p\"\n", ""},
		"basic, two files":   {promconfig.HTTPClientConfig{BasicAuth: &promconfig.BasicAuth{UsernameFile: "/u", PasswordFile: "/p"}}, "basic_auth:\n  username_file: \"/u\"\n  password_file: \"/p\"\n", ""},
		"basic, a secret":    {promconfig.HTTPClientConfig{BasicAuth: &promconfig.BasicAuth{Username: "u", Password: secret}}, "basic_auth:\n  username: u\n", "password is not written here"},
		"a token":            {promconfig.HTTPClientConfig{Authorization: &promconfig.Authorization{Type: "Bearer", CredentialsFile: "/t"}}, "authorization:\n  credentials_file: \"/t\"\n", ""},
		"a token, a secret":  {promconfig.HTTPClientConfig{Authorization: &promconfig.Authorization{Type: "Token", Credentials: secret}}, "{}\n", "credentials is not written here"},
		"OAuth2":             {promconfig.HTTPClientConfig{OAuth2: &promconfig.OAuth2{ClientID: "c", TokenURL: "https://t", ClientSecretFile: "/s", Scopes: []string{"m"}, EndpointParams: map[string]string{"a": "b"}}}, "oauth2:\n  client_id: c\n  token_url: \"https://t\"\n  client_secret_file: \"/s\"\n  scopes: [m]\n  endpoint_params: {a: b}\n", ""},
		"TLS":                {promconfig.HTTPClientConfig{TLSConfig: promconfig.TLSConfig{CAFile: "/ca", CertFile: "/c", KeyFile: "/k", ServerName: "s", InsecureSkipVerify: true}}, "tls_config:\n  ca_file: \"/ca\"\n  cert_file: \"/c\"\n  key_file: \"/k\"\n  server_name: s\n  insecure_skip_verify: true\n", ""},
		"an authority":       {promconfig.HTTPClientConfig{TLSConfig: promconfig.TLSConfig{CA: "-----BEGIN"}}, "{}\n", "tls_config.ca is no key of the configuration"},
		"headers":            {promconfig.HTTPClientConfig{HTTPHeaders: &promconfig.Headers{Headers: map[string]promconfig.Header{"X-Scope-OrgID": {Values: []string{"1"}, Files: []string{"/f"}}}}}, "http_headers:\n  X-Scope-OrgID: {values: [\"1\"], files: [\"/f\"]}\n", ""},
		"a header's secret":  {promconfig.HTTPClientConfig{HTTPHeaders: &promconfig.Headers{Headers: map[string]promconfig.Header{"X": {Secrets: []promconfig.Secret{secret}}}}}, "{}\n", "secrets of the header X"},
		"a proxy":            {promconfig.HTTPClientConfig{ProxyConfig: promconfig.ProxyConfig{ProxyURL: promconfig.URL{URL: proxy}}}, "proxy_url: \"http://proxy:3128\"\n", ""},
		"the system's proxy": {promconfig.HTTPClientConfig{ProxyConfig: promconfig.ProxyConfig{ProxyFromEnvironment: true}}, "proxy_from_environment: true\n", ""},
	} {
		keys, left := client(tc.client)
		got, err := yaml.Dump(mapping(false, keys...), yaml.WithIndent(2))
		if err != nil || string(got) != tc.want || !strings.Contains(strings.Join(left, "\n"), tc.left) || (len(left) > 0) != (tc.left != "") || strings.Contains(string(got), string(secret)) {
			t.Errorf("%s: got %v\n%s%q, want\n%s%q", name, err, got, left, tc.want, tc.left)
		}
	}
}

// FuzzLabels holds that label values do nothing in a configuration but stand there: it has one source, and at most one stanza that
// matches just them.
func FuzzLabels(f *testing.F) {
	for _, seed := range []string{"a", "", "a\nsources: []", "# x", "{{.}}", "'\"\\", "\u2028", "\u202etxt", "- &a *a", "sk-0123456789abcdefgh", "\x00\x1b[2J", "true", "~", "!!binary x", strings.Repeat("x", 2000)} {
		f.Add(seed, seed, seed)
	}
	f.Fuzz(func(t *testing.T, team, requested, provider string) {
		team, requested, provider = strings.ToValidUTF8(team, "?"), strings.ToValidUTF8(requested, "?"), strings.ToValidUTF8(provider, "?")
		d, err := Write(collector.Discovery{
			Metered:  []collector.Metered{gatewayMeter(asked(9e6, 1e6, team, requested, requested, provider))},
			Unplaced: []collector.Unplaced{{Metrics: []string{team}, Jobs: []string{requested}, Why: provider}},
			Cards:    []collector.Cards{{Pack: "dcgm", Namespace: team, Type: requested, Count: 1}},
		}, nil, Server{URL: "http://prometheus:9090"}, now)
		if err != nil {
			t.Fatal(err)
		}
		cfg, err := config.Parse("tipline.yml", d.Config)
		if err != nil || len(cfg.Sources) != 1 || len(cfg.Workloads) > 1 {
			t.Fatalf("%v in\n%s", err, d.Config)
		}
		for _, w := range cfg.Workloads {
			if !slices.Equal(w.Match["team_alias"], []string{team}) || !slices.Equal(w.Match["requested_model"], []string{requested}) {
				t.Errorf("got %q, want %q and %q in\n%s", w.Match, team, requested, d.Config)
			}
		}
		if strings.ContainsAny(string(d.Config), "\x1b\u202e\u2028\u0085\r") {
			t.Errorf("a control character in\n%s", d.Config)
		}
	})
}
