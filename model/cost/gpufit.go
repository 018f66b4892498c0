package cost

import (
	"fmt"
	"math/big"
)

// Footprint is the memory that one replica of a model needs (cost model, section 4.1).
type Footprint struct {
	ParamsBillion    *big.Rat // parameters, in billions
	BytesPerParam    *big.Rat // 2 for FP16 and BF16, 1 for FP8, 0.5 for FP4
	KVBytesPerToken  *big.Rat // key-value cache of a token: 2 · layers · kv_heads · head_dim · bytes
	ConcurrentTokens *big.Rat // tokens of all requests that are served at once
}

// GPUFit is how many GPUs a replica needs, and what for.
type GPUFit struct {
	GPUs      int64    // the tensor-parallel degree
	WeightsGB *big.Rat // 10^9 bytes
	KVGB      *big.Rat // 10^9 bytes
}

// UsableMemory is the share of a GPU's memory that weights and cache may fill (cost model, section 4.1).
var UsableMemory = big.NewRat(9, 10)

// degrees are the tensor-parallel degrees that engines allow, the smallest first.
var degrees = [...]int64{1, 2, 4, 8}

// Fit returns the smallest tensor-parallel degree at which f fits GPUs of gpuGB gigabytes each, of which the share usable
// may be filled; nil usable means UsableMemory. It is an error when eight GPUs are too few.
func (f Footprint) Fit(gpuGB, usable *big.Rat) (GPUFit, error) {
	fit := GPUFit{
		WeightsGB: mul(f.ParamsBillion, f.BytesPerParam),
		KVGB:      quo(mul(f.KVBytesPerToken, f.ConcurrentTokens), big.NewRat(1_000_000_000, 1)),
	}
	needed := add(fit.WeightsGB, fit.KVGB)
	perGPU := mul(gpuGB, or(usable, UsableMemory))
	for _, fit.GPUs = range degrees {
		if needed.Cmp(mul(integer(fit.GPUs), perGPU)) <= 0 {
			return fit, nil
		}
	}
	return fit, fmt.Errorf("weights of %s GB and a cache of %s GB do not fit %d GPUs of %s GB, of which %s may be filled",
		Decimal(fit.WeightsGB), Decimal(fit.KVGB), fit.GPUs, Decimal(gpuGB), Decimal(or(usable, UsableMemory)))
}
