package collector

import (
	"fmt"
	"io"
	"time"
)

const (
	// leastBytes must arrive of an answer in every dripWindow, before decompression. With the default timeout what comes more slowly than that could
	// not be longer than 1.5 KB.
	leastBytes = 512
	dripWindow = 10 * time.Second

	// dripPause is the time without a byte after which a server is thought to compute, and not to drip: the window begins anew.
	dripPause = 5 * time.Second
)

// A drip is a reader that ends with an error where bytes trickle in, long before the timeout of a query. How long it takes until the first byte, and
// in pauses until the next, is a matter of the timeout alone.
type drip struct {
	from        io.Reader
	clock       func() time.Time
	status      int       // of the HTTP answer
	begun, last time.Time // the window, and when something arrived
	arrived     int       // bytes in the window
}

func (d *drip) Read(p []byte) (int, error) {
	n, err := d.from.Read(p)
	if n == 0 {
		return n, err
	}
	now := d.clock()
	if now.Sub(d.last) >= dripPause { // also before the first byte
		d.begun, d.arrived = now, 0
	}
	d.last = now
	d.arrived += n
	if now.Sub(d.begun) < dripWindow || err != nil { // its end is no drip
		return n, err
	}
	if d.arrived < leastBytes {
		return 0, &Error{Reason: TimedOut, Status: d.status, Text: fmt.Sprintf("only %d bytes in %s, want at least %d", d.arrived, now.Sub(d.begun), leastBytes)}
	}
	d.begun, d.arrived = now, 0
	return n, err
}
