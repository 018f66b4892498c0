package ledger

import (
	"fmt"
	"reflect"
	"unicode/utf8"

	"tipline/model"
)

// shortenTexts cuts every text of r that is longer than maxText.
func (r *Receipt) shortenTexts() {
	r.leaveOut(fmt.Sprintf("the ends of texts longer than %d bytes", maxText))
	r.cutTexts(maxText)
}

// cutTexts shortens every text of r, the inputs apart, to limit bytes. What r shares with a report stays as it is.
func (r *Receipt) cutTexts(limit int) {
	whole := copied(reflect.ValueOf(*r))
	cutTexts(whole, limit)
	inputs, pool := r.Inputs, r.Pool
	*r = whole.Interface().(Receipt)
	r.Inputs, r.Pool = inputs, pool
}

// dropInputs leaves the inputs out: the receipt can then be read, but not computed again.
func (r *Receipt) dropInputs() {
	if r.decided != nil {
		r.leaveOut("the inputs: it cannot be computed again")
		r.decided = nil
	}
	if r.Pool != nil {
		r.leaveOut(fmt.Sprintf("what %d workloads bring into it, %d bytes: it cannot be computed again", len(r.together()), len(r.Pool)))
		r.Pool = nil
	}
}

// What a receipt keeps that is too large even without its inputs.
const (
	mostListed = 20  // elements of a list
	shortText  = 300 // bytes of a text
)

// dropOptions keeps the current, the best and the recommended option, and what can be said in a few lines.
func (r *Receipt) dropOptions() {
	d := r.Workload.Decision
	var kept []model.OptionCost
	for _, o := range r.Workload.Options {
		if o.Option == r.Workload.Current || o.Option == d.Best || o.Option == d.Option {
			o.Warnings, o.Prices, o.Parts = few(o.Warnings), few(o.Prices), few(o.Parts)
			kept = append(kept, o)
		}
	}
	r.leaveOut(fmt.Sprintf("%d of %d options, and all but the first %d of every list", len(r.Workload.Options)-len(kept), len(r.Workload.Options), mostListed))
	r.Workload.Options = kept
	if f := r.SharedFleet; f != nil {
		short := *f
		short.Workloads, short.AlreadyThere = few(f.Workloads), few(f.AlreadyThere)
		r.SharedFleet = &short
	}
	if m := r.JointMove; m != nil {
		short := *m
		short.Workloads, short.Told, short.Options = few(m.Workloads), few(m.Told), few(m.Options)
		r.JointMove = &short
	}
	r.Workload.Warnings, r.Workload.Drift = few(r.Workload.Warnings), few(r.Workload.Drift)
	if f := r.Workload.Forecast; f != nil {
		short := *f
		short.Warnings = few(f.Warnings)
		r.Workload.Forecast = &short
	}
	r.Workload.Decision.WouldChange = few(d.WouldChange)
	r.Workload.Labels = nil
	r.Capacity = few(r.Capacity)
	r.cutTexts(shortText)
}

func few[T any](list []T) []T { return list[:min(len(list), mostListed)] }

// copied returns a copy of v that shares nothing that cutTexts changes.
func copied(v reflect.Value) reflect.Value {
	out := reflect.New(v.Type()).Elem()
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			out.Set(reflect.New(v.Type().Elem()))
			out.Elem().Set(copied(v.Elem()))
		}
	case reflect.Slice:
		if !v.IsNil() {
			out.Set(reflect.MakeSlice(v.Type(), v.Len(), v.Len()))
			for i := range v.Len() {
				out.Index(i).Set(copied(v.Index(i)))
			}
		}
	case reflect.Map:
		if !v.IsNil() {
			out.Set(reflect.MakeMap(v.Type()))
			for _, key := range v.MapKeys() {
				out.SetMapIndex(key, copied(v.MapIndex(key)))
			}
		}
	case reflect.Struct:
		out.Set(v) // what has no exported fields, such as a time
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				out.Field(i).Set(copied(v.Field(i)))
			}
		}
	default:
		out.Set(v)
	}
	return out
}

// cutTexts shortens every text below v, which can be set, to limit bytes.
func cutTexts(v reflect.Value, limit int) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(cut(v.String(), limit))
	case reflect.Pointer:
		if !v.IsNil() {
			cutTexts(v.Elem(), limit)
		}
	case reflect.Slice:
		for i := range v.Len() {
			cutTexts(v.Index(i), limit)
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			if value := v.MapIndex(key); value.Kind() == reflect.String {
				v.SetMapIndex(key, reflect.ValueOf(cut(value.String(), limit)).Convert(value.Type()))
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				cutTexts(v.Field(i), limit)
			}
		}
	default:
	}
}

// cut returns the beginning of text, whole characters of it.
func cut(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	end := limit
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + "…"
}
