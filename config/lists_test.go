package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// genAIList is in the form of data_slim.json of genai-prices. The first two models and their prices are from there (June 2026); the others
// are made up to be wrong.
const genAIList = `[{"id":"anthropic","name":"Anthropic","models":[
  {"id":"claude-haiku-4-5","match":{"starts_with":"claude-haiku-4-5"},"prices":{"input_mtok":1,"cache_write_mtok":1.25,"cache_read_mtok":0.1,"output_mtok":5}},
  {"id":"claude-sonnet-4-6","prices":[
    {"prices":{"input_mtok":{"base":3,"tiers":[{"start":200000,"price":6}]},"cache_read_mtok":{"base":0.3,"tiers":[{"start":200000,"price":0.6}]},"output_mtok":{"base":15,"tiers":[{"start":200000,"price":22.5}]}}},
    {"constraint":{"start_date":"2026-03-13"},"prices":{"input_mtok":3,"cache_read_mtok":0.3,"output_mtok":15}}]},
  {"id":"at-night","prices":[{"constraint":{"start_time":"16:30:00Z","end_time":"00:30:00Z"},"prices":{"input_mtok":1,"output_mtok":2}},{"prices":{"input_mtok":2,"output_mtok":4}}]},
  {"id":"embedding","prices":{"input_mtok":0.1}},
  {"id":"free","prices":{"input_mtok":0,"output_mtok":1}},
  {"id":"text","prices":{"input_mtok":"1","output_mtok":1}},
  {"id":"dear-cache","prices":{"input_mtok":1,"cache_read_mtok":2,"output_mtok":3}},
  {"id":"nothing"}
]}]`

func TestImportGenAI(t *testing.T) {
	t.Parallel()
	book, bad, err := Import("genai-prices", strings.NewReader(genAIList), "", "2026-11-20")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"anthropic/at-night", "anthropic/claude-haiku-4-5", "anthropic/claude-sonnet-4-6"}, book.Items()); diff != "" {
		t.Errorf("items (-want +got):\n%s", diff)
	}
	show := func(day string) string {
		var rows []string
		for _, row := range book.At(day).rows["anthropic/claude-sonnet-4-6"] {
			rows = append(rows, row.Field+" "+row.Value)
		}
		return strings.Join(rows, ", ")
	}
	if got, want := show("2026-03-12"), "input 3, input_over_200k 6, output 15, output_over_200k 22.5, cache_read 0.3, cache_read_over_200k 0.6"; got != want {
		t.Errorf("before the change: got %s, want %s", got, want)
	}
	if got, want := show("2026-03-13"), "input 3, output 15, cache_read 0.3"; got != want {
		t.Errorf("after the change: got %s, want %s", got, want)
	}
	if row, _ := book.Value("anthropic/at-night", "input"); row.Value != "2" {
		t.Errorf("got %+v, want the price of most hours", row)
	}
	var said strings.Builder
	for _, q := range bad {
		said.WriteString(q.Item + " " + q.Field + " " + q.Reason + "\n")
	}
	for _, want := range []string{"anthropic/free input want a price above 0", "anthropic/text input want a number", "anthropic/dear-cache cache_read reading from the cache costs more"} {
		if !strings.Contains(said.String(), want) {
			t.Errorf("no %q in %s", want, said.String())
		}
	}
	var text strings.Builder
	if _, err := book.WriteTo(&text); err != nil {
		t.Fatal(err)
	}
	if again, err := ReadBook(strings.NewReader(text.String())); err != nil || len(book.Diff(again)) > 0 {
		t.Errorf("written and read again: %v", err)
	}
}

// skyPilotList is in the form of vms.csv of a SkyPilot catalogue; the prices of the first machines are from that of Lambda and RunPod
// (version 8), the others are made up to be wrong.
const skyPilotList = `InstanceType,AcceleratorName,AcceleratorCount,vCPUs,MemoryGiB,Region,SpotPrice,Price,AvailabilityZone,GpuInfo
gpu_8x_v100_n,V100,8.0,88.0,448.0,us-east-1,,6.32,,"{'Gpus': [{'Name': 'V100'}]}"
gpu_8x_v100,V100,8.0,92.0,448.0,us-east-1,,6.40,,
2x_A100-80GB_SECURE,A100-80GB,2.0,16.0,234.0,JP,2.00,2.78,AP-JP-1,
2x_A100-80GB_SECURE,A100-80GB,2.0,16.0,234.0,JP,1.90,2.78,AP-JP-2,
cpu_4x_general,,,4.0,16.0,us-east-1,,0.2,,
thirds,H100,3.0,1,1,eu,,10,,
none,H200,1.0,1,1,eu,0,0,,
text,H200,1.0,1,1,eu,,cheap,,
negative,H200,1.0,1,1,eu,,-1,,
`

func TestImportSkyPilot(t *testing.T) {
	t.Parallel()
	book, bad, err := Import("skypilot", strings.NewReader(skyPilotList), "lambda", "2026-11-20")
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, row := range book.Rows() {
		got[row.Item] = row.Value + " " + row.Note
	}
	if diff := cmp.Diff(map[string]string{
		"lambda/v100/8x/us-east-1/on-demand": "0.79 gpu_8x_v100_n",
		"lambda/a100-80gb/2x/JP/on-demand":   "1.39 2x_A100-80GB_SECURE",
		"lambda/a100-80gb/2x/JP/spot":        "0.95 2x_A100-80GB_SECURE",
		"lambda/h100/3x/eu/on-demand":        "3.333333 thirds",
	}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if len(bad) != 2 || bad[0].Value != `"cheap"` || bad[1].Value != `"-1"` {
		t.Errorf("quarantine: got %+v, want what is no price", bad)
	}
}

func TestListsRefuse(t *testing.T) {
	t.Parallel()
	torn, _, _ := strings.Cut(skyPilotList, "{'Gpus")
	for name, tc := range map[string]struct{ kind, text, provider, date, want string }{
		"genai cut off":       {"genai-prices", genAIList[:len(genAIList)/2], "", "2026-11-20", "unexpected end of JSON input"},
		"genai without price": {"genai-prices", `[{"id":"a","models":[]}]`, "", "2026-11-20", "no model with a price"},
		"genai 50 MB":         {"genai-prices", strings.Repeat(" ", 50<<20), "", "2026-11-20", "more than 32 MiB"},
		"skypilot no columns": {"skypilot", "a,b\n", "lambda", "2026-11-20", "no column InstanceType"},
		"skypilot cut off":    {"skypilot", torn, "lambda", "2026-11-20", "catalogue: "},
		"skypilot empty":      {"skypilot", "", "lambda", "2026-11-20", "empty"},
		"no provider":         {"skypilot", skyPilotList, "", "2026-11-20", "provider: got"},
		"no date":             {"skypilot", skyPilotList, "lambda", "", "date: got"},
		"another kind":        {"a-blog", "", "", "2026-11-20", "want litellm, genai-prices or skypilot"},
	} {
		if book, _, err := Import(tc.kind, strings.NewReader(tc.text), tc.provider, tc.date); err == nil || !strings.Contains(err.Error(), tc.want) || len(book.Items()) > 0 {
			t.Errorf("%s: got %v, want %q and no book", name, err, tc.want)
		}
	}
}

// FuzzLists holds that no list brings in what a price book would not hold.
func FuzzLists(f *testing.F) {
	f.Add("genai-prices", genAIList)
	f.Add("skypilot", skyPilotList)
	f.Fuzz(func(t *testing.T, kind, text string) {
		book, _, err := Import(kind, strings.NewReader(text), "p", "2026-11-20")
		if err != nil {
			return
		}
		if bad := book.Implausible(); len(bad) > 0 {
			t.Errorf("got %+v in the book", bad)
		}
		for _, row := range book.Rows() {
			if err := row.check(); err != nil {
				t.Errorf("%v", err)
			}
		}
	})
}

// TestNodePricesFitTogether holds that a GPU alone costs no more than with its share of the node, and spot capacity no more than on demand.
func TestNodePricesFitTogether(t *testing.T) {
	t.Parallel()
	price := func(spot, alone bool, usd float64) NodePrice {
		return NodePrice{InstanceType: "p5", Region: "us", Spot: spot, GPUOnly: alone, USDPerHour: usd}
	}
	for _, tc := range []struct {
		name   string
		prices []NodePrice
		bad    string // item and reason of what is quarantined; empty when nothing is
	}{
		{"as they should", []NodePrice{price(false, false, 10), price(false, true, 10), price(true, false, 4), price(true, true, 3)}, ""},
		{"spot as on demand", []NodePrice{price(true, false, 10), price(false, false, 10)}, ""},
		{"spot above on demand", []NodePrice{price(true, false, 10.01), price(false, false, 10)}, "oc/p5/us/spot: more than 10 USD an hour, which is that of the same on demand"},
		{"the GPU above the node", []NodePrice{price(false, false, 10), price(false, true, 50)}, "oc/p5/us/on-demand/gpu-only: more than 10 USD an hour, which is that of the GPU with its share of the node"},
		{"a spot GPU above its node", []NodePrice{price(true, true, 5), price(true, false, 4), price(false, true, 8)}, "oc/p5/us/spot/gpu-only: more than 4 USD an hour, which is that of the GPU with its share of the node"},
		{"nothing to hold it against", []NodePrice{price(true, true, 5)}, ""},
	} {
		book, bad, err := OpenCostBook("oc", tc.prices, "s", "2026-11-01")
		var said []string
		for _, q := range bad {
			said = append(said, q.Item+": "+q.Reason)
		}
		if got := strings.Join(said, "; "); err != nil || got != tc.bad || len(book.Items()) != len(tc.prices)-len(bad) {
			t.Errorf("%s: got %q, %v and %v, want %q and the rest", tc.name, got, err, book.Items(), tc.bad)
		}
	}
}
