package config

// The raw structs are the file form: what is written and where. The tag yaml names the key; refuse says why a key that
// may be expected is not accepted; kinds names the kinds of option that a key is for, empty meaning all of them.
// reference.yaml documents every key, and a test compares the two.

type rawConfig struct {
	At        place               `yaml:"-"`
	PacksDir  scalar              `yaml:"packs_dir"`
	Aliases   map[string][]scalar `yaml:"aliases"`
	Sources   []rawSource         `yaml:"sources"`
	Options   []rawOption         `yaml:"options"`
	Contracts []rawContract       `yaml:"contracts"`
	Workloads []rawWorkload       `yaml:"workloads"`
	Defaults  rawDefaults         `yaml:"defaults"`
	Budgets   []rawBudget         `yaml:"budgets"`
	Policy    rawPolicy           `yaml:"policy"`
	Schedule  rawSchedule         `yaml:"schedule"`
	Notify    rawNotify           `yaml:"notify"`
	Store     rawStore            `yaml:"store"`
	Prices    rawBook             `yaml:"prices"`
	Web       scalar              `yaml:"web" refuse:"is not set here: give --web.listen-address and --web.config.file on the command line"`
}

type rawBook struct {
	At        place              `yaml:"-"`
	Files     []scalar           `yaml:"files"`
	Lists     []rawList          `yaml:"lists"`
	Confirmed []scalar           `yaml:"confirmed"`
	Rates     map[string]rawRate `yaml:"rates"`
}

// rawFiles is the part of a rawBook that a scenario has too.
type rawFiles struct {
	At        place              `yaml:"-"`
	Files     []scalar           `yaml:"files"`
	Confirmed []scalar           `yaml:"confirmed"`
	Rates     map[string]rawRate `yaml:"rates"`
}

type rawList struct {
	At       place  `yaml:"-"`
	Name     scalar `yaml:"name"`
	From     scalar `yaml:"from"`
	Provider scalar `yaml:"provider"`
	URL      scalar `yaml:"url"`
	Source   scalar `yaml:"source"`

	Select map[string]scalar `yaml:"select"`
}

type rawRate struct {
	At     place         `yaml:"-"`
	USD    scalar        `yaml:"usd"`
	Origin rawProvenance `yaml:"origin"`
}

type rawSource struct {
	At         place             `yaml:"-"`
	Name       scalar            `yaml:"name"`
	Prometheus *rawPrometheus    `yaml:"prometheus"`
	Pack       scalar            `yaml:"pack"`
	Queries    *rawQueries       `yaml:"queries"`
	Select     map[string]scalar `yaml:"select"`
	GroupBy    []scalar          `yaml:"group_by"`
	Replica    scalar            `yaml:"replica_label"`
	CacheApart map[string]scalar `yaml:"cache_apart"`
	Period     scalar            `yaml:"period"`
	Stamps     scalar            `yaml:"stamps"`
	Hosting    scalar            `yaml:"hosting"`
	GPUs       *rawGPUs          `yaml:"gpus"`
	Backfill   scalar            `yaml:"backfill"`
	Delay      scalar            `yaml:"delay"`
}

type rawPrometheus struct {
	At                   place                `yaml:"-"`
	URL                  scalar               `yaml:"url"`
	Timeout              scalar               `yaml:"timeout"`
	MaxResponseBytes     scalar               `yaml:"max_response_bytes"`
	Concurrency          scalar               `yaml:"concurrency"`
	BasicAuth            *rawBasicAuth        `yaml:"basic_auth"`
	Authorization        *rawAuthorization    `yaml:"authorization"`
	OAuth2               *rawOAuth2           `yaml:"oauth2"`
	TLS                  *rawTLS              `yaml:"tls_config"`
	HTTPHeaders          map[string]rawHeader `yaml:"http_headers"`
	ProxyURL             scalar               `yaml:"proxy_url"`
	ProxyFromEnvironment scalar               `yaml:"proxy_from_environment"`
}

type rawBasicAuth struct {
	At           place  `yaml:"-"`
	Username     scalar `yaml:"username"`
	UsernameFile scalar `yaml:"username_file"`
	Password     scalar `yaml:"password"`
	PasswordFile scalar `yaml:"password_file"`
}

type rawAuthorization struct {
	At              place  `yaml:"-"`
	Type            scalar `yaml:"type"`
	Credentials     scalar `yaml:"credentials"`
	CredentialsFile scalar `yaml:"credentials_file"`
}

type rawOAuth2 struct {
	At               place             `yaml:"-"`
	ClientID         scalar            `yaml:"client_id"`
	ClientSecret     scalar            `yaml:"client_secret"`
	ClientSecretFile scalar            `yaml:"client_secret_file"`
	TokenURL         scalar            `yaml:"token_url"`
	Scopes           []scalar          `yaml:"scopes"`
	EndpointParams   map[string]scalar `yaml:"endpoint_params"`
}

type rawTLS struct {
	CAFile             scalar `yaml:"ca_file"`
	CertFile           scalar `yaml:"cert_file"`
	KeyFile            scalar `yaml:"key_file"`
	ServerName         scalar `yaml:"server_name"`
	InsecureSkipVerify scalar `yaml:"insecure_skip_verify"`
}

type rawHeader struct {
	At     place    `yaml:"-"`
	Values []scalar `yaml:"values"`
	Files  []scalar `yaml:"files"`
}

type rawQueries struct {
	At                 place  `yaml:"-"`
	Input              scalar `yaml:"input"`
	Output             scalar `yaml:"output"`
	CacheRead          scalar `yaml:"cache_read"`
	Requests           scalar `yaml:"requests"`
	TTFTP95            scalar `yaml:"ttft_p95"`
	InputIncludesCache scalar `yaml:"input_includes_cache"`
	Layer              scalar `yaml:"layer"`
	Model              scalar `yaml:"model"`
}

type rawGPUs struct {
	At   place    `yaml:"-"`
	Pack scalar   `yaml:"pack"`
	Join []scalar `yaml:"join"`
}

type rawOption struct {
	At   place  `yaml:"-"`
	Name scalar `yaml:"name"`
	Kind scalar `yaml:"kind"`

	Model         scalar     `yaml:"model" kinds:"api self-hosted cloud-managed"`
	Prices        *rawPrices `yaml:"prices" kinds:"api"`
	Discount      scalar     `yaml:"discount" kinds:"api"`
	DiscountUntil scalar     `yaml:"discount_until" kinds:"api"`
	MinimumCommit scalar     `yaml:"minimum_commit_usd_per_month" kinds:"api"`
	FixedMonthly  scalar     `yaml:"fixed_usd_per_month" kinds:"api"`
	Uplift        scalar     `yaml:"uplift" kinds:"api"`
	Credits       *rawCredit `yaml:"credits" kinds:"api"`
	Tiers         *rawTiers  `yaml:"tiers" kinds:"api"`
	BilledFor     scalar     `yaml:"billed_for" kinds:"api"`

	GPU               *rawGPU        `yaml:"gpu" kinds:"self-hosted"`
	Instance          *rawInstance   `yaml:"instance" kinds:"cloud-managed"`
	Throughput        *rawThroughput `yaml:"throughput" kinds:"self-hosted cloud-managed"`
	TargetUtilization scalar         `yaml:"target_utilization" kinds:"self-hosted cloud-managed"`
	PeakFactor        scalar         `yaml:"peak_factor" kinds:"self-hosted cloud-managed"`
	Autoscale         *rawAutoscale  `yaml:"autoscale" kinds:"self-hosted cloud-managed"`
	MinReplicas       scalar         `yaml:"min_replicas" kinds:"self-hosted cloud-managed"`
	SpareReplicas     scalar         `yaml:"spare_replicas" kinds:"self-hosted cloud-managed"`
	MaxReplicas       scalar         `yaml:"max_replicas" kinds:"self-hosted cloud-managed"`
	Operations        *rawOperations `yaml:"operations" kinds:"self-hosted cloud-managed"`
	Variable          scalar         `yaml:"variable_usd_per_mtok" kinds:"self-hosted cloud-managed"`

	Base     scalar `yaml:"base" kinds:"hybrid"`
	Overflow scalar `yaml:"overflow" kinds:"hybrid"`

	Interactive scalar `yaml:"interactive" kinds:"hybrid"`
	Batch       scalar `yaml:"batch" kinds:"hybrid"`
	FillValleys scalar `yaml:"fill_valleys" kinds:"hybrid"`

	Models               []scalar       `yaml:"models" kinds:"api self-hosted cloud-managed"`
	Regions              []scalar       `yaml:"regions"`
	TTFTP95              scalar         `yaml:"ttft_p95"`
	ApprovedForRegulated scalar         `yaml:"approved_for_regulated" kinds:"api"`
	CustomWeights        scalar         `yaml:"custom_weights" kinds:"api"`
	ClosedWeights        scalar         `yaml:"closed_weights" kinds:"self-hosted cloud-managed"`
	Endpoint             scalar         `yaml:"endpoint" kinds:"cloud-managed"`
	Limits               *rawLimits     `yaml:"limits" kinds:"cloud-managed"`
	Jobs                 *rawJobs       `yaml:"jobs" kinds:"cloud-managed"`
	NoGPU                scalar         `yaml:"no_gpu" kinds:"cloud-managed"`
	TokenRatio           *rawTokenRatio `yaml:"token_ratio" kinds:"api self-hosted cloud-managed"`
	MigrationUSD         scalar         `yaml:"migration_usd"`
	Committed            *rawCommitted  `yaml:"committed" kinds:"api self-hosted cloud-managed"`
	Announced            []rawAnnounced `yaml:"announced_prices" kinds:"api self-hosted cloud-managed"`
	Retires              scalar         `yaml:"retires" kinds:"api cloud-managed"`
}

type rawContract struct {
	At            place      `yaml:"-"`
	Name          scalar     `yaml:"name"`
	Options       []scalar   `yaml:"options"`
	MinimumCommit scalar     `yaml:"minimum_commit_usd_per_month"`
	Until         scalar     `yaml:"until"`
	Discount      scalar     `yaml:"discount"`
	DiscountUntil scalar     `yaml:"discount_until"`
	Tiers         *rawScale  `yaml:"tiers"`
	Credits       *rawCredit `yaml:"credits"`
}

type rawScale struct {
	At    place          `yaml:"-"`
	Kind  scalar         `yaml:"kind"`
	Steps []rawScaleStep `yaml:"steps"`
}

type rawScaleStep struct {
	At          place  `yaml:"-"`
	AboveUSD    scalar `yaml:"above_usd"`
	AboveTokens scalar `yaml:"above_tokens"`
	Discount    scalar `yaml:"discount"`
}

type rawCredit struct {
	At          place  `yaml:"-"`
	Until       scalar `yaml:"until"`
	USDPerMonth scalar `yaml:"usd_per_month"`
}

type rawTiers struct {
	At    place     `yaml:"-"`
	Kind  scalar    `yaml:"kind"`
	Steps []rawTier `yaml:"steps"`
}

type rawTier struct {
	At     place          `yaml:"-"`
	Above  scalar         `yaml:"above_tokens"`
	Times  scalar         `yaml:"times"`
	Prices *rawTierPrices `yaml:"prices"`
}

// rawTierPrices has the fields of rawPrices.
type rawTierPrices struct {
	At           place         `yaml:"-"`
	Input        scalar        `yaml:"input"`
	Output       scalar        `yaml:"output"`
	CacheRead    scalar        `yaml:"cache_read"`
	CacheWrite   scalar        `yaml:"cache_write"`
	CacheWrite1h scalar        `yaml:"cache_write_1h"`
	BatchInput   scalar        `yaml:"batch_input"`
	BatchOutput  scalar        `yaml:"batch_output"`
	RequestFee   scalar        `yaml:"request_fee" refuse:"is not set for a tier: that of the option's prices holds at every volume"`
	Long         *rawLong      `yaml:"long"`
	LongAbove    scalar        `yaml:"long_above" refuse:"is not set for a tier: that of the option's prices holds at every volume"`
	Free         scalar        `yaml:"free"`
	Origin       rawProvenance `yaml:"origin"`
}

type rawCommitted struct {
	At          place  `yaml:"-"`
	Until       scalar `yaml:"until"`
	USDPerMonth scalar `yaml:"usd_per_month"`
}

type rawAnnounced struct {
	At     place      `yaml:"-"`
	From   scalar     `yaml:"from"`
	Times  scalar     `yaml:"times"`
	Prices *rawPrices `yaml:"prices"`
}

type rawPrices struct {
	At           place         `yaml:"-"`
	Input        scalar        `yaml:"input"`
	Output       scalar        `yaml:"output"`
	CacheRead    scalar        `yaml:"cache_read"`
	CacheWrite   scalar        `yaml:"cache_write"`
	CacheWrite1h scalar        `yaml:"cache_write_1h"`
	BatchInput   scalar        `yaml:"batch_input"`
	BatchOutput  scalar        `yaml:"batch_output"`
	RequestFee   scalar        `yaml:"request_fee"`
	Long         *rawLong      `yaml:"long"`
	LongAbove    scalar        `yaml:"long_above"`
	Free         scalar        `yaml:"free"`
	Origin       rawProvenance `yaml:"origin"`
}

type rawLong struct {
	Input     scalar `yaml:"input"`
	Output    scalar `yaml:"output"`
	CacheRead scalar `yaml:"cache_read"`
}

type rawProvenance struct {
	Source scalar `yaml:"source"`
	Date   scalar `yaml:"date"`
}

type rawGPU struct {
	At         place         `yaml:"-"`
	Type       scalar        `yaml:"type"`
	PerReplica scalar        `yaml:"per_replica"`
	USDPerHour scalar        `yaml:"usd_per_hour"`
	Price      scalar        `yaml:"price"`
	BlockOf    scalar        `yaml:"replicas_per_block"`
	Memory     *rawMemory    `yaml:"memory"`
	Reserved   scalar        `yaml:"reserved_usd_per_hour"`
	Owned      *rawOwned     `yaml:"owned"`
	Spot       *rawSpot      `yaml:"spot"`
	Origin     rawProvenance `yaml:"origin"`
}

type rawMemory struct {
	At               place  `yaml:"-"`
	ParamsBillion    scalar `yaml:"params_billion"`
	BytesPerParam    scalar `yaml:"bytes_per_param"`
	KVBytesPerToken  scalar `yaml:"kv_bytes_per_token"`
	ConcurrentTokens scalar `yaml:"concurrent_tokens"`
	GPUGB            scalar `yaml:"gpu_gb"`
}

type rawSpot struct {
	At         place  `yaml:"-"`
	USDPerHour scalar `yaml:"usd_per_hour"`
	Over       scalar `yaml:"over_provisioned"`
	Fallback   scalar `yaml:"fallback"`
	Redone     scalar `yaml:"redone"`
}

type rawOwned struct {
	At              place  `yaml:"-"`
	CapexUSD        scalar `yaml:"capex_usd"`
	Months          scalar `yaml:"months"`
	AnnualRate      scalar `yaml:"annual_rate"`
	Salvage         scalar `yaml:"salvage"`
	Maintenance     scalar `yaml:"maintenance_per_year"`
	IdleWatts       scalar `yaml:"gpu_idle_watts"`
	LoadWatts       scalar `yaml:"gpu_load_watts"`
	HostWatts       scalar `yaml:"host_watts"`
	Busy            scalar `yaml:"busy"`
	PUE             scalar `yaml:"pue"`
	USDPerKWh       scalar `yaml:"usd_per_kwh"`
	ColocationKW    scalar `yaml:"colocation_kw"`
	ColocationPerKW scalar `yaml:"colocation_usd_per_kw"`
	Bought          scalar `yaml:"bought"`
	Blocks          scalar `yaml:"blocks"`
}

type rawAutoscale struct {
	At           place  `yaml:"-"`
	ColdStart    scalar `yaml:"cold_start"`
	StartsPerDay scalar `yaml:"starts_per_day"`
	IdleTimeout  scalar `yaml:"idle_timeout"`
}

type rawLimits struct {
	At            place         `yaml:"-"`
	Duration      scalar        `yaml:"duration"`
	PayloadBytes  scalar        `yaml:"payload_bytes"`
	BytesPerToken scalar        `yaml:"bytes_per_token"`
	Origin        rawProvenance `yaml:"origin"`
}

type rawJobs struct {
	At        place  `yaml:"-"`
	PerDay    scalar `yaml:"per_day"`
	Deadline  scalar `yaml:"deadline"`
	ColdStart scalar `yaml:"cold_start"`
}

type rawInstance struct {
	At              place         `yaml:"-"`
	Type            scalar        `yaml:"type"`
	USDPerHour      scalar        `yaml:"usd_per_hour"`
	RawUSDPerHour   scalar        `yaml:"raw_usd_per_hour"`
	ManagedOverhead scalar        `yaml:"managed_overhead"`
	Price           scalar        `yaml:"price"`
	Replicas        scalar        `yaml:"replicas"`
	Origin          rawProvenance `yaml:"origin"`
}

type rawThroughput struct {
	At            place         `yaml:"-"`
	TokensPerHour scalar        `yaml:"tokens_per_hour"`
	Shapes        []rawShape    `yaml:"shapes"`
	Book          scalar        `yaml:"book"`
	Provisioned   *rawUnit      `yaml:"provisioned"`
	Measured      scalar        `yaml:"measured"`
	Origin        rawProvenance `yaml:"origin"`
}

type rawUnit struct {
	At             place  `yaml:"-"`
	InputPerMinute scalar `yaml:"input_tokens_per_minute"`
	OutputWeight   scalar `yaml:"output_weight"`
}

type rawShape struct {
	At              place  `yaml:"-"`
	Input           scalar `yaml:"input"`
	Output          scalar `yaml:"output"`
	OutputPerSecond scalar `yaml:"output_tokens_per_second"`
}

type rawOperations struct {
	At          place               `yaml:"-"`
	USDPerMonth scalar              `yaml:"usd_per_month"`
	Included    scalar              `yaml:"included"`
	Terms       *rawOperationsTerms `yaml:"terms"`
}

type rawOperationsTerms struct {
	At            place  `yaml:"-"`
	EngineerMonth scalar `yaml:"engineer_month_usd"`
	BuildMonths   scalar `yaml:"build_engineer_months"`
	Amortized     scalar `yaml:"build_amortized_over_months"`
	FTE           scalar `yaml:"run_engineers"`
	OnCall        scalar `yaml:"on_call_usd_per_week"`
	DriverUpdates scalar `yaml:"driver_updates_per_year"`
	DriverDays    scalar `yaml:"driver_update_days"`
	ModelUpdates  scalar `yaml:"model_updates_per_year"`
	ModelDays     scalar `yaml:"model_update_days"`
	Tooling       scalar `yaml:"tooling_usd_per_month"`
}

type rawTokenRatio struct {
	Input  scalar `yaml:"input"`
	Output scalar `yaml:"output"`
}

type rawWorkload struct {
	At          place             `yaml:"-"`
	Match       map[string]values `yaml:"match"`
	Source      scalar            `yaml:"source"`
	Drop        scalar            `yaml:"drop"`
	Was         map[string]values `yaml:"was"`
	Name        scalar            `yaml:"name"`
	Meter       scalar            `yaml:"meter"`
	Owner       scalar            `yaml:"owner"`
	CostCentre  scalar            `yaml:"cost_centre"`
	Critical    scalar            `yaml:"critical"`
	Current     scalar            `yaml:"current"`
	Candidates  []scalar          `yaml:"candidates"`
	Constraints rawConstraints    `yaml:"constraints"`
	Policy      rawPolicy         `yaml:"policy"`
	Events      []rawEvent        `yaml:"events"`
	Holidays    []scalar          `yaml:"holidays"`
	Jumps       []rawJump         `yaml:"jumps"`
	Notify      rawWorkloadNotify `yaml:"notify"`
}

type rawBudget struct {
	At          place             `yaml:"-"`
	Name        scalar            `yaml:"name"`
	USDPerMonth scalar            `yaml:"usd_per_month"`
	Match       map[string]values `yaml:"match"`
	Source      scalar            `yaml:"source"`
	Notify      rawWorkloadNotify `yaml:"notify"`
}

type rawEvent struct {
	At     place  `yaml:"-"`
	Name   scalar `yaml:"name"`
	From   scalar `yaml:"from"`
	Until  scalar `yaml:"until"`
	Change scalar `yaml:"change"`
}

type rawJump struct {
	At   place  `yaml:"-"`
	Hour scalar `yaml:"at"`
	Is   scalar `yaml:"is"`
}

type rawDefaults struct {
	At          place             `yaml:"-"`
	Current     scalar            `yaml:"current"`
	Candidates  []scalar          `yaml:"candidates"`
	Constraints rawConstraints    `yaml:"constraints"`
	Events      []rawEvent        `yaml:"events"`
	Holidays    []scalar          `yaml:"holidays"`
	Jumps       []rawJump         `yaml:"jumps"`
	Notify      rawWorkloadNotify `yaml:"notify"`
	Labels      rawLabels         `yaml:"labels"`
}

type rawLabels struct {
	At           place             `yaml:"-"`
	Owner        scalar            `yaml:"owner"`
	CostCentre   scalar            `yaml:"cost_centre"`
	Critical     map[string]values `yaml:"critical"`
	SlackChannel map[string]values `yaml:"slack_channel"`
}

type rawConstraints struct {
	DataSensitivity scalar   `yaml:"data_sensitivity"`
	OpsCapacity     scalar   `yaml:"ops_capacity"`
	Residency       []scalar `yaml:"residency"`
	TTFTLimit       scalar   `yaml:"ttft_limit"`
	Model           scalar   `yaml:"model"`
	FineTuned       scalar   `yaml:"fine_tuned"`
	Batch           scalar   `yaml:"batch"`
	BatchShare      scalar   `yaml:"batch_share"`
	LongShare       scalar   `yaml:"long_prompt_share"`
}

type rawWorkloadNotify struct {
	SlackChannel scalar `yaml:"slack_channel"`
}

type rawPolicy struct {
	Enter            scalar `yaml:"enter"`
	Leave            scalar `yaml:"leave"`
	Confirmations    scalar `yaml:"confirmations"`
	ConfirmEvery     scalar `yaml:"confirm_every"`
	MinSavingUSD     scalar `yaml:"min_saving_usd"`
	MinProbability   scalar `yaml:"min_probability"`
	MaxPaybackMonths scalar `yaml:"max_payback_months"`
	LeadTime         scalar `yaml:"lead_time"`
	DiscountRate     scalar `yaml:"discount_rate"`
	WaitMonths       scalar `yaml:"wait_months"`
	MinHistory       scalar `yaml:"min_history"`
	MaxPriceAge      scalar `yaml:"max_price_age"`
	DriftUSD         scalar `yaml:"drift_usd"`
}

type rawSchedule struct {
	Collect  scalar `yaml:"collect"`
	Evaluate scalar `yaml:"evaluate"`
	Prices   scalar `yaml:"prices"`
	TimeZone scalar `yaml:"time_zone"`
	Digest   scalar `yaml:"digest"`
}

type rawNotify struct {
	Slack        *rawSlack        `yaml:"slack"`
	Webhook      *rawWebhook      `yaml:"webhook"`
	Alertmanager *rawAlertmanager `yaml:"alertmanager"`
	Routes       []rawRoute       `yaml:"routes"`
	Templates    []rawTemplate    `yaml:"templates"`
}

type rawTemplate struct {
	At       place    `yaml:"-"`
	Kinds    []scalar `yaml:"kinds"`
	Headline scalar   `yaml:"headline"`
	Body     scalar   `yaml:"body"`
}

type rawRoute struct {
	At           place             `yaml:"-"`
	Kinds        []scalar          `yaml:"kinds"`
	Severities   []scalar          `yaml:"severities"`
	Owners       []scalar          `yaml:"owners"`
	Match        map[string]values `yaml:"match"`
	Source       scalar            `yaml:"source"`
	SlackChannel scalar            `yaml:"slack_channel"`
	Notifiers    []scalar          `yaml:"notifiers"`
}

type rawAlertmanager struct {
	At  place  `yaml:"-"`
	URL scalar `yaml:"url"`
}

type rawWebhook struct {
	At         place  `yaml:"-"`
	URL        scalar `yaml:"url"`
	URLFile    scalar `yaml:"url_file"`
	SecretFile scalar `yaml:"secret_file"`
	Secret     scalar `yaml:"secret" refuse:"a secret does not belong here: write it to a file and name that in secret_file"`
}

type rawSlack struct {
	At             place  `yaml:"-"`
	TokenFile      scalar `yaml:"token_file"`
	WebhookURLFile scalar `yaml:"webhook_url_file"`
	Channel        scalar `yaml:"channel"`
	APIURL         scalar `yaml:"api_url"`
	AppTokenFile   scalar `yaml:"app_token_file"`
	AppToken       scalar `yaml:"app_token" refuse:"a secret does not belong here: write it to a file and name that in app_token_file"`
	Token          scalar `yaml:"token" refuse:"a secret does not belong here: write it to a file and name that in token_file"`
	WebhookURL     scalar `yaml:"webhook_url" refuse:"a secret does not belong here: write it to a file and name that in webhook_url_file"`
}

type rawStore struct {
	Path scalar `yaml:"path"`
}
