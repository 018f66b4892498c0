package config

import (
	"strings"
	"testing"
	"time"
)

func TestBuiltinBook(t *testing.T) {
	t.Parallel()
	b := Builtin()
	models, gpus := 0, 0
	for _, item := range b.Items() {
		rows, err := b.Lookup(item)
		if err != nil {
			t.Fatal(err)
		}
		fields := map[string]string{}
		for _, row := range rows {
			fields[row.Field] = row.Unit
			if row.Source == "" || row.Unit == "" || row.Rat().Sign() <= 0 {
				t.Errorf("%+v: want a source, a unit and a value above 0", row)
			}
			if _, err := time.Parse(time.DateOnly, row.Date); err != nil {
				t.Errorf("%+v: want a date", row)
			}
			if name, _, long := strings.Cut(row.Field, "_over_"); row.Unit == "USD/Mtok" {
				if name != "input" && name != "output" && (long || !strings.HasPrefix(name, "cache_") && !strings.HasPrefix(name, "batch_")) {
					t.Errorf("%+v: no price has that name", row)
				}
			}
		}
		switch {
		case fields["input"] == "USD/Mtok" && fields["output"] == "USD/Mtok":
			models++
		case fields["usd_per_hour"] == "USD/GPU-hour":
			gpus++
		case fields["usd_per_hour"] == "USD/instance-hour" && fields["managed_overhead"] != "":
		case fields["1000/1000"] == outputRate:
		default:
			t.Errorf("%s: got fields %v, want those of a model, a GPU, a managed instance or a replica", item, fields)
		}
	}
	if models < 40 || gpus < 20 {
		t.Errorf("got %d models and %d GPUs, want at least 40 and 20", models, gpus)
	}
}

func TestLookupNamesTheNearest(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ item, want string }{
		{"gpt-5-mini", `the price book has no "gpt-5-mini", did you mean "openai/gpt-5-mini"?`},
		{"anthropic/claude-sonet-5", `the price book has no "anthropic/claude-sonet-5", did you mean "anthropic/claude-sonnet-5"?`},
		{"in-house", `the price book has no "in-house"`},
		{"", `the price book has no ""`},
	} {
		if _, err := Builtin().Lookup(tc.item); err == nil || err.Error() != tc.want {
			t.Errorf("Lookup(%q): got %v, want %s", tc.item, err, tc.want)
		}
	}
}

func TestBadBooks(t *testing.T) {
	t.Parallel()
	const head = "item,field,value,unit,date,source,note\n"
	for _, tc := range []struct{ name, rows, want string }{
		{"no date", "a,input,1,USD/Mtok,,s,\n", `row 1: a input: got date "", want one such as 2026-08-01`},
		{"no source", "a,input,1,USD/Mtok,2026-08-01,,\n", "row 1: a input: want item, field, unit and source"},
		{"zero", "a,input,0,USD/Mtok,2026-08-01,s,\n", `row 1: a input: got "0", want a decimal above 0`},
		{"twice", "a,input,1,USD/Mtok,2026-08-01,s,\na,input,2,USD/Mtok,2026-08-01,s,\n", "row 2: a input is there twice"},
		{"columns", "a,input\n", "record on line 2: wrong number of fields"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if _, err := parseBook(head + tc.rows); err == nil || err.Error() != tc.want {
				t.Errorf("got %v, want %s", err, tc.want)
			}
		})
	}
}
