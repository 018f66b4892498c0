package daemon

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"tipline/alerting"
	"tipline/model"
)

// Receipt is what the ledger keeps of a decision: everything it rested on and everything it found.
type Receipt struct {
	Version    int                  `json:"version"`
	AsOf       time.Time            `json:"as_of"`
	ConfigHash string               `json:"config_hash"`
	Workload   model.WorkloadReport `json:"workload"`
}

// receiptVersion is the version of the Receipt form written today.
const receiptVersion = 1

// receiptID names the decision on w: the same inputs give the same id. It hashes everything that the receipt holds.
func receiptID(w model.WorkloadReport, report *model.Report) string {
	w.Decision.ID = ""
	sum := sha256.Sum256(encodeReceipt(w, report))
	return hex.EncodeToString(sum[:6])
}

// judged returns the evaluations of report as the alert desk takes them, each with its receipt.
func (d *Daemon) judged(report *model.Report) []alerting.Judged {
	judged := make([]alerting.Judged, len(report.Workloads))
	for i, w := range report.Workloads {
		stanza := d.setup.cfg.For(w.Labels, w.Source)
		judged[i] = alerting.Judged{Report: w, Channel: stanza.SlackChannel, Receipt: encodeReceipt(w, report)}
	}
	return judged
}

func encodeReceipt(w model.WorkloadReport, report *model.Report) []byte {
	data, err := json.Marshal(Receipt{Version: receiptVersion, AsOf: report.AsOf, ConfigHash: report.ConfigHash, Workload: w})
	if err != nil { // a NaN or an infinity got into a report: a mistake of ours, never of the input
		panic(fmt.Sprintf("receipt of %s: %v", w.Workload, err))
	}
	return data
}
