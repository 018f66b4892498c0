package alerting

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"tipline/model"
)

// once is a Notifier that counts how often each event came.
type once struct {
	mu   sync.Mutex
	came map[string]int
}

func (*once) Name() string { return "once" }

func (o *once) Send(_ context.Context, e Event) (Posted, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.came[e.ID]++
	return Posted{}, nil
}

// TestF94_AtOnce considers, delivers, answers, reloads and looks at a desk all at once, for the race detector to watch, and holds that every
// message arrives once all the same.
func TestF94_AtOnce(t *testing.T) {
	t.Parallel()
	const workloads, rounds = 8, 60
	box := &once{came: map[string]int{}}
	d := newDesk(t, &locked{}, box)
	name := func(i int) string { return fmt.Sprintf("w%d", i) }
	var tasks sync.WaitGroup
	each := func(do func(round int) error) {
		tasks.Go(func() {
			for round := range rounds {
				if err := do(round); err != nil {
					t.Error(err)
				}
			}
		})
	}
	told := 0
	each(func(round int) error {
		var judged []Judged
		for i := range workloads {
			w := answers([]rune("XXXXXzzzzz")[(round+i)%10])
			w.Workload = name(i)
			judged = append(judged, Judged{Report: w, Policy: policy, Receipt: receipt})
		}
		considered, err := d.Consider(judged, morning.AddDate(0, 0, round))
		for _, c := range considered {
			if c.Event != nil {
				told++
			}
		}
		return err
	})
	each(func(round int) error {
		return d.Answer(name(round%workloads), "", map[string][]byte{"answer/" + name(round): []byte("{}")}, Event{})
	})
	each(func(int) error { d.Reconfigure([]Notifier{box}); return nil })
	for range 2 {
		each(func(round int) error { _, err := d.Deliver(t.Context(), morning.AddDate(0, 0, round)); return err })
	}
	each(func(int) error {
		d.Firing()
		d.Pending()
		d.Parked()
		d.Cases(&model.Report{}, said{})
		d.Said(name(0))
		_, err := d.Unsent(time.Time{})
		return err
	})
	tasks.Wait()
	deliverAll(t, d, morning.AddDate(0, 0, rounds), morning.AddDate(0, 0, rounds+1))
	if told < workloads || d.Pending() != 0 {
		t.Errorf("told %d, %d wait, want each workload told of and nothing left", told, d.Pending())
	}
	for id, n := range box.came {
		if n != 1 {
			t.Errorf("event %s came %d times", id, n)
		}
	}
}

// locked is a memory that many may use at once.
type locked struct {
	mu sync.Mutex
	memory
}

func (l *locked) Get(bucket, key string) ([]byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.memory.Get(bucket, key)
}

func (l *locked) Scan(bucket, prefix string, fn func(string, []byte) error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.memory.Scan(bucket, prefix, fn)
}

func (l *locked) Apply(batch map[string]map[string][]byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.memory.Apply(batch)
}
