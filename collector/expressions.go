package collector

// Expressions are the PromQL expressions that a source is asked, as they are sent.
type Expressions struct {
	Hourly  string // every signal per workload over the hour before the evaluation
	TTFT    string // 95th percentile of the time to first token over the last day; empty when it is not asked
	GPUs    string // GPUs held and busy over the last day; empty when they are not asked
	Served  string // how the engines did per workload over the hour before the evaluation; empty when it is not asked
	Watched string // what is there under the names of every signal, how many counters are stored once for every replica of a Prometheus, the time of the newest sample, and how often there is one
}

// Expressions returns what c asks its server.
func (c *Collector) Expressions() Expressions {
	return Expressions{Hourly: c.queries.hourly, TTFT: c.queries.ttft, GPUs: c.queries.gpu, Served: c.queries.served, Watched: c.queries.watched}
}
