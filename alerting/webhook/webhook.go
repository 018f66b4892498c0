// Package webhook posts events as signed JSON to an address of the user's own.
package webhook

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"tipline/alerting"
	"tipline/alerting/post"
	"tipline/alerting/words"
	"tipline/model"
)

// The headers of a request.
const (
	SignatureHeader = "X-Tipline-Signature" // t=SECONDS,v1=HEX: see Sign
	IDHeader        = "X-Tipline-Event"     // the id of the event, the same in every attempt
)

// PayloadVersion is the version of the Payload form. Fields may be added under one version; what a field means does not
// change, and none goes away.
const PayloadVersion = 1

// Payload is the body of a request.
type Payload struct {
	Version   int                  `json:"version"`
	ID        string               `json:"id"`     // the same in every attempt and after every restart: a receiver drops what it has seen
	Reason    alerting.Reason      `json:"reason"` // why it is worth saying
	Time      time.Time            `json:"time"`   // of the evaluation that it rests on
	Workload  string               `json:"workload"`
	Severity  alerting.Severity    `json:"severity"`            // info, warning or critical
	Owner     string               `json:"owner,omitempty"`     // of the workload, as the configuration names it
	Previous  string               `json:"previous,omitempty"`  // the option that was confirmed before
	Case      string               `json:"case,omitempty"`      // the id of the first event about the same decision
	Headline  string               `json:"headline"`            // the verdict in one sentence, plain text
	Text      string               `json:"text"`                // the message in plain text, complete on its own
	Repeat    bool                 `json:"repeat"`              // an earlier attempt may have arrived
	Report    model.WorkloadReport `json:"report"`              // as in GET /api/v1/report; empty where it is about no single workload
	Drifts    []model.Drift        `json:"drifts,omitempty"`    // with the reason drifted
	Digest    *model.Digest        `json:"digest,omitempty"`    // with the reason digest, which is about no single workload
	Budget    *model.BudgetReport  `json:"budget,omitempty"`    // with the reason over_budget, which is about no single workload
	Outcome   *alerting.Outcome    `json:"outcome,omitempty"`   // with the reason reopened: of the move that was made
	Unsettled *alerting.Unsettled  `json:"unsettled,omitempty"` // with the reason unstable: between what the verdict changes; with others: it was unstable before
	Answer    *alerting.Answer     `json:"answer,omitempty"`    // with the reason answered: what a person said to the move
	Faults    []model.DataFault    `json:"faults,omitempty"`    // with the reason data_fault, which is about no single workload
	Storm     *alerting.Storm      `json:"storm,omitempty"`     // with the reason summed_up, which is about no single workload
	Prices    *model.PriceEvent    `json:"prices,omitempty"`    // with the reason prices_moved, which is about no single workload
}

// Settings says where to post. Exactly one of URL and URLFile is set; the files are read anew for every message.
type Settings struct {
	URL        string // where to post
	URLFile    string // a file that holds it, for addresses that are secrets themselves
	SecretFile string // a file that holds the key of the signature; empty means that nothing is signed
}

// A Notifier posts to one address.
type Notifier struct {
	settings Settings
	client   *http.Client
	now      func() time.Time // of the signature, which lets a receiver refuse what was recorded and sent again
}

// New returns a Notifier that sends through client. It opens no file and no connection.
func New(s Settings, client *http.Client, now func() time.Time) (*Notifier, error) {
	switch {
	case s.URL == "" && s.URLFile == "":
		return nil, errors.New("want url or url_file")
	case s.URL != "" && s.URLFile != "":
		return nil, errors.New("got both url and url_file, want one")
	}
	return &Notifier{settings: s, client: post.Client(client), now: now}, nil
}

// Name returns "webhook".
func (n *Notifier) Name() string { return "webhook" }

// Send posts e. Any status 2xx is acceptance.
func (n *Notifier) Send(ctx context.Context, e alerting.Event) (none alerting.Posted, err error) {
	address := n.settings.URL
	if n.settings.URLFile != "" {
		if address, err = post.Secret(n.settings.URLFile); err != nil {
			return none, err
		}
	}
	body, err := json.Marshal(payload(e))
	if err != nil { // a NaN in a report: a mistake of ours, never of the input
		return none, &alerting.SendError{Remedy: alerting.FixSettings, Err: fmt.Errorf("webhook: event %s: %w", e.ID, err)}
	}
	header := http.Header{IDHeader: {e.ID}}
	if n.settings.SecretFile != "" {
		key, err := post.Secret(n.settings.SecretFile)
		if err != nil {
			return none, err
		}
		header.Set(SignatureHeader, Sign(key, n.now(), body))
	}
	return none, post.JSON(ctx, n.client, address, header, body)
}

func payload(e alerting.Event) Payload {
	return Payload{
		Version: PayloadVersion, ID: e.ID, Reason: e.Reason, Time: e.Time, Workload: e.Workload, Previous: e.Previous, Case: e.Case,
		Severity: cmp.Or(e.Severity, alerting.Info), Owner: e.Owner,
		Headline: words.Headline(e), Text: words.Text(e), Repeat: e.Repeat, Report: e.Report,
		Drifts: e.Drifts, Prices: e.Prices, Digest: e.Digest, Budget: e.Budget, Faults: e.Faults, Outcome: e.Outcome, Unsettled: e.Unsettled, Answer: e.Answer, Storm: e.Storm,
	}
}

// Sign returns the value of SignatureHeader: the time in seconds since the epoch, and the HMAC-SHA256 under key of that time,
// a point and the body, in hexadecimal.
func Sign(key string, at time.Time, body []byte) string {
	seconds := strconv.FormatInt(at.Unix(), 10)
	return "t=" + seconds + ",v1=" + hex.EncodeToString(digest(key, seconds, body))
}

// Verify reports whether a signature is Sign's for body under key and not further than window from now; the time is
// compared last, so that a forger learns nothing from it.
func Verify(key, signature string, body []byte, now time.Time, window time.Duration) error {
	seconds, mac, found := strings.Cut(strings.TrimPrefix(signature, "t="), ",v1=")
	given, err := hex.DecodeString(mac)
	if !found || err != nil {
		return fmt.Errorf("signature: got %q, want t=SECONDS,v1=HEX", signature)
	}
	if !hmac.Equal(given, digest(key, seconds, body)) {
		return errors.New("signature: not that of this body under this key")
	}
	at, err := strconv.ParseInt(seconds, 10, 64)
	if age := now.Sub(time.Unix(at, 0)); err != nil || age > window || age < -window {
		return fmt.Errorf("signature: made at %s, want within %s of now", seconds, window)
	}
	return nil
}

func digest(key, seconds string, body []byte) []byte {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(seconds))
	mac.Write([]byte{'.'})
	mac.Write(body)
	return mac.Sum(nil)
}
