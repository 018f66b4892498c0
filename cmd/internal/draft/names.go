package draft

import (
	"regexp"
	"slices"
	"strings"
)

var (
	hosted   = regexp.MustCompile(`^((us|eu|apac|global)\.)?([a-z]+\.)?([a-z].*)$`) // us.anthropic.claude-…, as Bedrock names models
	version  = regexp.MustCompile(`-(v?\d+:\d+|v0\.\d+)$`)                          // …-v1:0, …-v0.1
	released = regexp.MustCompile(`-(20\d{6}|20\d\d-\d\d-\d\d)$`)                   // …-20250929
	point    = regexp.MustCompile(`(\d)p(\d)`)                                      // v3p1 for v3.1, as Fireworks writes it
	numbered = regexp.MustCompile(`([a-z]{2,})(\d)`)                                // llama3 for llama-3
	between  = regexp.MustCompile(`[^a-z0-9]+`)
)

// sameWeights are words that say how a model is tuned, packed or served, and not which one it is.
var sameWeights = []string{
	"instruct", "chat", "it", "hf", "versatile", "instant", "latest", "tput", "preview",
	"fp4", "fp8", "fp16", "bf16", "nvfp4", "int4", "int8", "awq", "gptq",
}

// modelKey returns what the names of one model have in common, whoever serves it: llama 3 3 70b for meta-llama/Llama-3.3-70B-Instruct and
// for us.meta.llama3-3-70b-instruct-v1:0. It suggests; nothing is added up by it.
func modelKey(name string) string {
	name = strings.ToLower(name)
	name = name[strings.LastIndexByte(name, '/')+1:]
	if part := hosted.FindStringSubmatch(name); part != nil {
		name = part[4]
	}
	name = released.ReplaceAllString(version.ReplaceAllString(name, ""), "")
	name = point.ReplaceAllString(name, "$1.$2")
	noise := sameWeights
	if strings.Contains(name, "instruct") {
		noise = append(slices.Clone(noise), "turbo")
	}
	var words []string
	for _, word := range between.Split(name, -1) {
		if word != "" && !slices.Contains(noise, word) {
			words = append(words, strings.Fields(numbered.ReplaceAllString(word, "$1 $2"))...)
		}
	}
	if len(words) > 1 && words[0] == "meta" {
		words = words[1:]
	}
	return strings.Join(words, " ")
}

// providers are the names of providers in the labels of gateways and SDKs, where the price book has others.
var providers = map[string]string{
	"amazon": "bedrock", "amazon_bedrock": "bedrock", "aws.bedrock": "bedrock", "aws_bedrock": "bedrock", "aws.anthropic": "bedrock",
	"az.ai.inference": "azure_ai", "azure.ai.inference": "azure_ai",
	"az.ai.openai": "azure", "azure.ai.openai": "azure", "azure_openai": "azure",
	"gcp.gemini": "gemini", "gcp.gen_ai": "gemini", "google": "gemini",
	"fireworks": "fireworks_ai", "together": "together_ai", "togetherai": "together_ai",
	"mistral_ai": "mistral", "mistralai": "mistral", "moonshotai": "moonshot", "x_ai": "xai",
}

// ownProviders are what gateways call engines of one's own.
var ownProviders = []string{"hosted_vllm", "llama_cpp", "llamafile", "lm_studio", "ollama", "ollama_chat", "openai_like", "sglang", "tgi", "triton", "vllm", "xinference"}

// packProviders are the providers of packs whose series do not say it, by the beginning of the name of the pack.
var packProviders = map[string]string{"azure-openai": "azure", "bedrock": "bedrock", "vertex": "gemini"}

// makers serve models whose names begin so. They are asked where nothing says who serves a model.
var makers = []struct{ prefix, provider string }{
	{"claude-", "anthropic"}, {"gpt-oss", ""}, {"gpt-", "openai"}, {"gemini-", "gemini"}, {"grok-", "xai"}, {"mistral-", "mistral"}, {"deepseek-", "deepseek"},
}

// maker returns who makes the model of that name; empty when that is not known, or when others serve its weights too.
func maker(model string) string {
	for _, m := range makers {
		if strings.HasPrefix(strings.ToLower(model), m.prefix) {
			return m.provider
		}
	}
	return ""
}
