package config

import (
	"slices"
	"strings"
	"testing"
	"time"

	"tipline/model"
	"tipline/model/decide"
)

// TestOwnedHardware works a block of four GPUs out on paper: (60,000 − 6,000)/36 = 1,500 USD of capital, 500 of maintenance, 450 of
// colocation, and (4 × (100 + 600/2) + 600) W × 1.5 × 730 h × 0.1 USD/kWh = 240.90 of power make 2,690.90 USD a month.
func TestOwnedHardware(t *testing.T) {
	t.Parallel()
	const owned = `{per_replica: 2, replicas_per_block: 2, owned: {capex_usd: 60000, annual_rate: 0, gpu_load_watts: 700, gpu_idle_watts: 100,
      host_watts: 600, busy: 0.5, pue: 1.5, usd_per_kwh: 0.1, colocation_kw: 3, colocation_usd_per_kw: 150BOUGHT}}`
	o := option(t, parse(t, fleetConfig(strings.Replace(owned, "BOUGHT", "", 1), "{included: true}")), "fleet")
	if got := o.Capacity.BlockCostPerHour; got.Cmp(rat("3.686164")) != 0 {
		t.Errorf("an hour of a block: got %s USD, want 3.686164", got.FloatString(6))
	}
	if o.Committed != nil {
		t.Errorf("hardware that is yet to be bought: got %+v, want nothing due", o.Committed)
	}
	rows := map[string]string{}
	for _, p := range o.Prices {
		rows[p.Field] = p.Value
	}
	for field, want := range map[string]string{"capex": "60000", "capital": "1500", "power": "240.9", "colocation": "450", "maintenance": "500"} {
		if rows[field] != want {
			t.Errorf("%s: got %q, want %s", field, rows[field], want)
		}
	}
	o = option(t, parse(t, fleetConfig(strings.Replace(owned, "BOUGHT", ", bought: 2026-01-15, blocks: 3", 1), "{included: true}")), "fleet")
	c := o.Committed
	if c == nil || !c.Until.Equal(time.Date(2029, 1, 15, 0, 0, 0, 0, time.UTC)) || c.USDPerMonth.Cmp(rat("4500")) != 0 {
		t.Errorf("got %+v, want the capital of three blocks until they are written off", c)
	}
	annuity := option(t, parse(t, fleetConfig("{owned: {capex_usd: 60000, gpu_load_watts: 700}}", "{included: true}")), "fleet")
	if digits := annuity.Capacity.BlockCostPerHour.Denom().BitLen(); digits > 20 {
		t.Errorf("an annuity: got a denominator of %d bits, want a millionth of a dollar", digits)
	}
}

// TestEndpoint holds which managed endpoints are for work that can wait, and which have no GPUs.
func TestEndpoint(t *testing.T) {
	t.Parallel()
	for kind, want := range map[string][2]bool{ // batch only, no GPU
		"real-time": {false, false}, "asynchronous": {true, false}, "batch-transform": {true, false}, "serverless": {false, true},
	} {
		text := strings.NewReplacer("self-hosted", "cloud-managed", "gpu:", "instance:").Replace(fleetConfig("{usd_per_hour: 4}", "{usd_per_month: 1}"))
		if kind == "batch-transform" {
			text += "    jobs: {cold_start: 6m}\n"
		}
		o := option(t, parse(t, text+"    endpoint: "+kind+"\n"), "fleet")
		if got := [2]bool{o.BatchOnly, o.NoGPU}; got != want {
			t.Errorf("%s: got %v, want %v", kind, got, want)
		}
	}
}

// TestAssumedSpares holds that a spare replica that nobody asked for is known as such.
func TestAssumedSpares(t *testing.T) {
	t.Parallel()
	text := fleetConfig("{usd_per_hour: 4}", "{usd_per_month: 1}")
	for key, want := range map[string]bool{"": true, "    spare_replicas: 1\n": false, "    spare_replicas: 0\n": false} {
		if o := option(t, parse(t, text+key), "fleet"); o.AssumedSpares != want {
			t.Errorf("%q: got %t, want %t", key, o.AssumedSpares, want)
		}
	}
}

// TestLimits holds what an endpoint takes as one request: what the option says, or what the price book does of its kind.
func TestLimits(t *testing.T) {
	t.Parallel()
	text := strings.NewReplacer("self-hosted", "cloud-managed", "gpu:", "instance:").Replace(fleetConfig("{TYPEusd_per_hour: 4}", "{usd_per_month: 1}"))
	for _, tc := range []struct {
		kind, instance, own string
		duration            time.Duration
		payload, source     string
		warned              bool
	}{
		{"real-time", "type: ml.g6e.12xlarge, ", "", time.Minute, "6000000", "AWS SageMaker documentation, Inference options, 2024-12-03", false},
		{"asynchronous", "type: ml.g6e.12xlarge, ", "", time.Hour, "1000000000", "AWS SageMaker documentation, Inference options, 2024-12-03", false},
		{"asynchronous", "type: ml.g6e.12xlarge, ", "    limits: {duration: 15m}\n", 15 * time.Minute, "", "configuration", false},
		{"real-time", "", "    limits: {payload_bytes: 5, origin: {source: page, date: 2026-10-02}}\n", 0, "5", "page, 2026-10-02", false},
		{"real-time", "", "", 0, "", "", false},
		{"asynchronous", "", "", 0, "", "", true},
	} {
		o := option(t, parse(t, strings.Replace(text, "TYPE", tc.instance, 1)+"    endpoint: "+tc.kind+"\n"+tc.own), "fleet")
		var got decide.Limits
		if o.Limits != nil {
			got = *o.Limits
		}
		payload := ""
		if got.PayloadBytes != nil {
			payload = got.PayloadBytes.RatString()
		}
		warned := slices.ContainsFunc(o.Warnings, func(w model.Warning) bool { return w.Code == "ENDPOINT_LIMITS" })
		if got.Duration != tc.duration || payload != tc.payload || got.Source != tc.source || warned != tc.warned {
			t.Errorf("%s %s%s: got %+v, warned %t", tc.kind, tc.instance, tc.own, got, warned)
		}
	}
}

// TestJobs holds for which jobs the instances of a batch transform run.
func TestJobs(t *testing.T) {
	t.Parallel()
	text := strings.NewReplacer("self-hosted", "cloud-managed", "gpu:", "instance:").Replace(fleetConfig("{usd_per_hour: 4}", "{usd_per_month: 1}"))
	text += "    endpoint: batch-transform\n    jobs: "
	for jobs, want := range map[string]decide.Jobs{
		"{cold_start: 6m}":                              {PerDay: rat("1"), Deadline: 24 * time.Hour, Start: 6 * time.Minute},
		"{cold_start: 0s, per_day: 4}":                  {PerDay: rat("4"), Deadline: 6 * time.Hour},
		"{cold_start: 6m, per_day: 0.5, deadline: 90m}": {PerDay: rat("0.5"), Deadline: 90 * time.Minute, Start: 6 * time.Minute},
	} {
		got := option(t, parse(t, text+jobs+"\n"), "fleet").Jobs
		if got == nil || got.PerDay.Cmp(want.PerDay) != 0 || got.Deadline != want.Deadline || got.Start != want.Start {
			t.Errorf("%s: got %+v, want %+v", jobs, got, want)
		}
	}
}

// TestTariffTerms holds what beside its prices an API option says, and what a workload says of its requests.
func TestTariffTerms(t *testing.T) {
	t.Parallel()
	c := parse(t, `sources: [{name: gateway, prometheus: {url: "http://p:9090"}, pack: litellm, hosting: api}]
options: [{name: api, kind: api, model: openai/gpt-5-mini, uplift: 0.1, credits: {usd_per_month: 500, until: 2027-03-31}}]
workloads:
  - {match: {team_alias: a}, constraints: {batch_share: 0.5}}
defaults: {current: api, constraints: {data_sensitivity: internal, ops_capacity: none, batch_share: 0.3, long_prompt_share: 0.1}}
`)
	o := option(t, c, "api")
	if o.API.Uplift.Cmp(rat("0.1")) != 0 || o.Credits == nil || o.Credits.USDPerMonth.Cmp(rat("500")) != 0 ||
		!o.Credits.Until.Equal(time.Date(2027, 4, 1, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("got an uplift of %v and %+v, want a tenth, and 500 USD up to the end of March", o.API.Uplift, o.Credits)
	}
	own, shared := c.Workloads[0].Constraints, c.Defaults.Constraints
	if own.BatchShare.Cmp(rat("0.5")) != 0 || own.LongShare.Cmp(rat("0.1")) != 0 || shared.BatchShare.Cmp(rat("0.3")) != 0 {
		t.Errorf("got %v and %v of the workload, %v of the others, want 0.5, 0.1 and 0.3", own.BatchShare, own.LongShare, shared.BatchShare)
	}
}

// TestProvisioned holds that a unit of provisioned throughput is a replica that needs no spare.
func TestProvisioned(t *testing.T) {
	t.Parallel()
	text := strings.NewReplacer("self-hosted", "cloud-managed", "gpu:", "instance:", "tokens_per_hour: 1000000",
		"provisioned: {input_tokens_per_minute: 2500, output_weight: 4}").Replace(fleetConfig("{usd_per_hour: 2}", "{usd_per_month: 1}"))
	o := option(t, parse(t, text), "fleet")
	if p := o.Provisioned; p == nil || p.InputPerMinute.Cmp(rat("2500")) != 0 || p.OutputWeight.Cmp(rat("4")) != 0 || o.Capacity.SpareReplicas != 0 {
		t.Errorf("got %+v and %d spares, want 2500 tokens a minute, a weight of 4 and none", p, o.Capacity.SpareReplicas)
	}
}

// TestAutoscale holds that a price of what is reserved is that of a block, and what an autoscaler waits for without a word about it.
func TestAutoscale(t *testing.T) {
	t.Parallel()
	text := fleetConfig("{usd_per_hour: 4, per_replica: 2, reserved_usd_per_hour: 2.5}", "{included: true}")
	a := option(t, parse(t, text+"    autoscale: {cold_start: 6m, starts_per_day: 4}\n    min_replicas: 0\n"), "fleet").Autoscale
	if a == nil || a.ColdStart != 6*time.Minute || a.IdleTimeout != 15*time.Minute || a.StartsPerDay.Cmp(rat("4")) != 0 || a.ReservedPerHour.Cmp(rat("5")) != 0 {
		t.Errorf("got %+v, want six minutes, a quarter of an hour, four a day and 5 USD for two GPUs", a)
	}
	if o := option(t, parse(t, fleetConfig("{usd_per_hour: 4}", "{included: true}")), "fleet"); o.Autoscale != nil {
		t.Errorf("got %+v, want a fleet that runs all month", o.Autoscale)
	}
}

// TestLongContextThreshold holds that the tokens above which a price of long prompts holds come from the file or from the price book.
func TestLongContextThreshold(t *testing.T) {
	t.Parallel()
	c := parse(t, `sources: [{name: gateway, prometheus: {url: "http://p:9090"}, pack: litellm, hosting: api}]
options:
  - {name: own, kind: api, prices: {input: 1, output: 4, long_above: 200000, long: {input: 2, output: 6}}}
  - {name: unsaid, kind: api, prices: {input: 1, output: 4, long: {input: 2, output: 6}}}
  - {name: listed, kind: api, model: openai/gpt-5.6-sol}
`)
	for name, want := range map[string]int64{"own": 200_000, "unsaid": 0, "listed": 272_000} {
		if o := option(t, c, name); o.API.LongAbove != want || o.API.Long == nil {
			t.Errorf("%s: got %d tokens, want %d", name, o.API.LongAbove, want)
		}
	}
}
