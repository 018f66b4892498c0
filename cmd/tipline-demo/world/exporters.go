package world

import (
	"fmt"
	"hash/fnv"
	"maps"
	"math"

	"tipline/cmd/tipline-demo/traffic"
)

// scraped returns the labels that service discovery adds to the pod that serves x now.
func (x *export) scraped() map[string]string {
	switch x.tenant.Kind {
	case LiteLLM:
		pod := x.podName("litellm")
		return map[string]string{"job": "litellm", "namespace": "gateway", "pod": pod, "instance": address(pod) + ":4000"}
	default:
		pod := x.podName("vllm")
		return map[string]string{"job": "vllm", "pod": pod, "instance": address(pod) + ":8000"}
	}
}

func (x *export) podName(app string) string {
	key := x.tenant.Labels["namespace"]
	return fmt.Sprintf("%s-%05x-%05x", app, digest(app+key)&0xfffff, digest(fmt.Sprint(app, key, x.pod))&0xfffff)
}

func digest(text string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(text)) // never fails
	return h.Sum64()
}

func address(pod string) string {
	d := digest(pod)
	return fmt.Sprintf("10.42.%d.%d", d>>8&0xff, 1+d%250)
}

// liteLLM adds the series of LiteLLM's Prometheus callback (BerriAI/litellm: litellm/integrations/prometheus.py).
func (x *export) liteLLM() {
	x.counter("litellm_input_tokens_metric_total", nil, func(h traffic.Hour) float64 { return h.Input })
	x.counter("litellm_output_tokens_metric_total", nil, func(h traffic.Hour) float64 { return h.Output })
	if x.tenant.CacheShare > 0 { // LiteLLM writes the cached counter only when it is not zero
		x.counter("litellm_input_cached_tokens_metric_total", nil, func(h traffic.Hour) float64 { return h.CacheRead })
	}
	x.counter("litellm_proxy_total_requests_metric_total", map[string]string{"status_code": "200", "route": "/v1/chat/completions"}, requests)
	x.histogram("litellm_llm_api_time_to_first_token_metric")
}

func requests(h traffic.Hour) float64 { return h.Requests }

// vllm adds the series of a vLLM engine (vllm-project/vllm: vllm/v1/metrics/loggers.py) and of the DCGM exporter for its
// GPUs (NVIDIA/dcgm-exporter: etc/default-counters.csv).
func (x *export) vllm() {
	engine := map[string]string{"engine": "0"}
	x.counter("vllm:prompt_tokens_total", engine, func(h traffic.Hour) float64 { return h.Input })
	x.counter("vllm:generation_tokens_total", engine, func(h traffic.Hour) float64 { return h.Output })
	x.counter("vllm:prompt_tokens_cached_total", engine, func(h traffic.Hour) float64 { return h.CacheRead })
	for reason, share := range map[string]float64{"stop": 0.93, "length": 0.06, "abort": 0.01} {
		own := maps.Clone(engine)
		own["finished_reason"] = reason
		x.counter("vllm:request_success_total", own, func(h traffic.Hour) float64 { return share * h.Requests })
	}
	x.histogram("vllm:time_to_first_token_seconds")
	x.gauge("vllm:num_requests_running", engine, func(load float64) float64 { return math.Round(12 * load) })
	x.gauge("vllm:num_requests_waiting", engine, func(float64) float64 { return 0 })
	for i := range x.tenant.GPUs {
		uuid := fmt.Sprintf("GPU-%08x-%04x-4000-8000-%012x", digest(x.tenant.Name)&0xffffffff, i, digest(fmt.Sprint(x.tenant.Name, i))&0xffffffffffff)
		card := map[string]string{
			"job": "dcgm-exporter", "gpu": fmt.Sprint(i % 8), "UUID": uuid, "device": fmt.Sprintf("nvidia%d", i%8),
			"modelName": x.tenant.GPUName, "Hostname": fmt.Sprintf("gpu-node-%d", i/8), "container": "vllm", "model_name": "",
		}
		x.gauge("DCGM_FI_DEV_GPU_UTIL", card, func(load float64) float64 { return math.Round(100 * min(1, x.tenant.Busy*load)) })
		x.gauge("DCGM_FI_PROF_GR_ENGINE_ACTIVE", card, func(load float64) float64 { return min(1, x.tenant.Busy*load) })
		x.gauge("DCGM_FI_DEV_FB_USED", card, func(float64) float64 { return 72_400 })
	}
}

// bounds are the upper ends of the buckets of time to first token, seconds.
var bounds = []float64{0.05, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 10}

// histogram adds a classic histogram of time to first token: the log-normal whose median and 95th percentile the tenant has.
func (x *export) histogram(name string) {
	sigma := math.Log(x.tenant.TTFTP95/x.tenant.TTFT50) / 1.6449
	for _, le := range bounds {
		share := 0.5 * math.Erfc(-(math.Log(le/x.tenant.TTFT50))/(sigma*math.Sqrt2))
		x.counter(name+"_bucket", map[string]string{"le": fmt.Sprint(le)}, func(h traffic.Hour) float64 { return share * h.Requests })
	}
	x.counter(name+"_bucket", map[string]string{"le": "+Inf"}, requests)
	x.counter(name+"_count", nil, requests)
	mean := x.tenant.TTFT50 * math.Exp(sigma*sigma/2)
	x.counter(name+"_sum", nil, func(h traffic.Hour) float64 { return mean * h.Requests })
}
