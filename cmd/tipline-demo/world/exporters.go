package world

import (
	"fmt"
	"hash/fnv"
	"math"

	"tipline/cmd/tipline-demo/traffic"
)

// target returns the labels that service discovery adds to the pod that serves x now.
func (x *export) target() map[string]string {
	switch x.tenant.Kind {
	case LiteLLM:
		pod := x.podName("litellm")
		return map[string]string{"job": "litellm", "namespace": "gateway", "pod": pod, "instance": address(pod) + ":4000"}
	default:
		pod := x.podName("vllm")
		return map[string]string{"job": "vllm", "pod": pod, "instance": address(pod) + ":8000"}
	}
}

// podName returns the name of the pod that serves x now, as a Deployment gives them.
func (x *export) podName(app string) string {
	namespace := x.tenant.Labels["namespace"]
	return fmt.Sprintf("%s-%010x-%05x", app, digest(app, namespace)&0xffffffffff, digest(app, namespace, x.pod)&0xfffff)
}

func digest(parts ...any) uint64 {
	h := fnv.New64a()
	fmt.Fprintln(h, parts...)
	return h.Sum64()
}

func address(pod string) string {
	d := digest(pod)
	return fmt.Sprintf("10.42.%d.%d", d>>8&0xff, 1+d%250)
}

// liteLLM adds the series of LiteLLM's Prometheus callback (BerriAI/litellm: litellm/integrations/prometheus.py and
// litellm/types/integrations/prometheus.py, October 2026).
func (x *export) liteLLM() {
	x.counter("litellm_input_tokens_metric_total", nil, func(u traffic.Used) float64 { return u.Input })
	x.counter("litellm_output_tokens_metric_total", nil, func(u traffic.Used) float64 { return u.Output })
	if x.tenant.Cached {
		x.counter("litellm_input_cached_tokens_metric_total", nil, func(u traffic.Used) float64 { return u.CacheRead })
	}
	x.counter("litellm_proxy_total_requests_metric_total",
		map[string]string{"model": "", "api_provider": "", "status_code": "200", "route": "/v1/chat/completions"}, requests)
	x.histogram("litellm_llm_api_time_to_first_token_metric")
}

func requests(u traffic.Used) float64 { return u.Requests }

// vllm adds the series of a vLLM engine (vllm-project/vllm: vllm/v1/metrics/loggers.py, v0.30.0) and of the DCGM exporter
// for its GPUs (NVIDIA/dcgm-exporter: etc/default-counters.csv, main of May 2026).
func (x *export) vllm() {
	engine := map[string]string{"engine": "0"}
	x.counter("vllm:prompt_tokens_total", engine, func(u traffic.Used) float64 { return u.Input })
	x.counter("vllm:generation_tokens_total", engine, func(u traffic.Used) float64 { return u.Output })
	x.counter("vllm:prompt_tokens_cached_total", engine, func(u traffic.Used) float64 { return u.CacheRead })
	for _, finished := range []struct {
		reason string
		share  float64
	}{{"stop", 0.93}, {"length", 0.06}, {"abort", 0.01}} {
		x.counter("vllm:request_success_total", map[string]string{"engine": "0", "finished_reason": finished.reason},
			func(u traffic.Used) float64 { return finished.share * u.Requests })
	}
	x.histogram("vllm:time_to_first_token_seconds")
	x.gauge("vllm:num_requests_running", engine, func(u traffic.Used) float64 { return math.Ceil(64 * x.busy(u)) })
	x.gauge("vllm:num_requests_waiting", engine, func(traffic.Used) float64 { return 0 })
	x.gauge("vllm:kv_cache_usage_perc", engine, func(u traffic.Used) float64 { return 0.9 * x.busy(u) })
	node := fmt.Sprintf("gpu-node-%02x", digest(x.tenant.Name)&0xff)
	for i := range x.tenant.GPUs {
		card := map[string]string{
			"job": "dcgm-exporter", "instance": node + ":9400", "Hostname": node, "container": "vllm", "model_name": "",
			"gpu": fmt.Sprint(i), "device": fmt.Sprintf("nvidia%d", i), "modelName": x.tenant.GPUName,
			"UUID": fmt.Sprintf("GPU-%08x-%04x-4000-8000-%012x", digest(node)&0xffffffff, i, digest(node, i)&0xffffffffffff),
		}
		x.gauge("DCGM_FI_DEV_GPU_UTIL", card, func(u traffic.Used) float64 { return math.Round(100 * x.busy(u)) })
		x.gauge("DCGM_FI_PROF_GR_ENGINE_ACTIVE", card, x.busy)
		x.gauge("DCGM_FI_DEV_FB_USED", card, func(traffic.Used) float64 { return 72_400 })
	}
}

// busy returns the share of the hour in which the cards run a kernel. Few requests keep a card busy nearly as long as many,
// which share its time in batches, so it is well above the share of the tokens that could be served.
func (x *export) busy(u traffic.Used) float64 {
	return math.Sqrt(min(1, u.Tokens()/x.tenant.TokensMax))
}

// bounds are the upper ends of some of the exporters' buckets of time to first token, in seconds, as Prometheus 3 writes them.
var bounds = []struct {
	le      string
	seconds float64
}{{"0.1", 0.1}, {"0.25", 0.25}, {"0.5", 0.5}, {"1.0", 1}, {"2.5", 2.5}, {"5.0", 5}}

// histogram adds a classic histogram of time to first token: the log-normal that has the tenant's median and 95th percentile.
func (x *export) histogram(name string) {
	if x.tenant.TTFT == 0 {
		return
	}
	median := x.tenant.TTFT.Seconds()
	sigma := math.Log(x.tenant.TTFTP95.Seconds()/median) / 1.6449
	for _, b := range bounds {
		share := 0.5 * math.Erfc(-math.Log(b.seconds/median)/(sigma*math.Sqrt2))
		x.counter(name+"_bucket", map[string]string{"le": b.le}, func(u traffic.Used) float64 { return share * u.Requests })
	}
	x.counter(name+"_bucket", map[string]string{"le": "+Inf"}, requests)
	x.counter(name+"_count", nil, requests)
	mean := median * math.Exp(sigma*sigma/2)
	x.counter(name+"_sum", nil, func(u traffic.Used) float64 { return mean * u.Requests })
}
