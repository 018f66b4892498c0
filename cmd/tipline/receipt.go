package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/alecthomas/kingpin/v2"
	promconfig "github.com/prometheus/common/config"

	"tipline/alerting"
	"tipline/cmd/internal/ledger"
	"tipline/cmd/internal/store"
	"tipline/model"
)

// origin is where a receipt is read from: a file, a running tipline, or the data file of the configuration.
type origin struct {
	file   string // of a receipt; "-" is standard input
	server string // address of a running tipline
	client string // file that says how to authenticate there; none when empty
}

// addOrigin adds the flags of an origin to command.
func addOrigin(command *kingpin.CmdClause) *origin {
	o := &origin{}
	command.Flag("receipt", "Read the receipt from this file, - for standard input; no server and no configuration is needed.").PlaceHolder("FILE").StringVar(&o.file)
	command.Flag("server", "Ask the tipline that runs at this address, which holds the data file.").PlaceHolder("URL").StringVar(&o.server)
	command.Flag("http.config.file", "With --server: how to authenticate there and whom to trust, as a Prometheus HTTP client configuration.").PlaceHolder("FILE").StringVar(&o.client)
	return o
}

// errUnreachable says that a running tipline did not answer.
var errUnreachable = errors.New("not reached")

// found is a receipt with what the ledger holds beside it; the rest is nil unless it was read from the data file.
type found struct {
	data         []byte
	announcement *alerting.Announcement
	answer       *ledger.Answer
	message      *ledger.Message // that was asked for; data is then the receipt that it names, or its bundle when it is about no single workload
	bundle       *ledger.Bundle
	said         alerting.Event // of a message about no single workload, what it said
}

// find reads the receipt of the decision or of the message id; with a file, id may be empty.
func (p *program) find(ctx context.Context, o origin, id string) (found, error) {
	f, err := p.read(ctx, o, id)
	if err != nil {
		return f, err
	}
	return f.opened(id)
}

// opened returns f, which was asked for by id, with what is in its bundle, if it is one.
func (f found) opened(id string) (found, error) {
	b, ok := ledger.OpenBundle(f.data)
	if !ok {
		return f, nil
	}
	m, err := ledger.OpenMessage(b.Message)
	if err != nil {
		return f, err
	}
	if id != "" && id != m.ID && id != m.Receipt {
		return f, fmt.Errorf("got the receipt of message %s, want that of %s", m.ID, id)
	}
	f.message, f.bundle = &m, &b
	if m.Receipt == "" {
		f.said, err = event(m)
		return f, err
	}
	if f.data = b.Receipts[m.Receipt]; f.data == nil {
		return f, fmt.Errorf("message %s: the receipt %s that it names is not beside it", m.ID, m.Receipt)
	}
	return f, nil
}

// read reads what id names, or what is in a file.
func (p *program) read(ctx context.Context, o origin, id string) (found, error) {
	switch {
	case o.file != "" && o.server != "":
		return found{}, errors.New("--receipt and --server: want one of the two")
	case o.client != "" && o.server == "":
		return found{}, errors.New("--http.config.file: want --server beside it")
	case o.file == "" && id == "":
		return found{}, errors.New("decision: want its id, the 12 hexadecimal digits that messages and reports call the receipt, or the 16 of a message, or --receipt with a file")
	case o.file == "" && !ledger.ValidID(id) && !ledger.ValidMessageID(id):
		return found{}, fmt.Errorf("decision: got %q, want the 12 hexadecimal digits that messages and reports call the receipt, or the 16 of a message", id)
	case o.file != "":
		data, err := readReceipt(o.file, p.stdin)
		if err != nil {
			return found{}, err
		}
		if r, err := ledger.Open(data); err == nil && id != "" && r.ID != id && !ledger.ValidMessageID(id) {
			return found{}, fmt.Errorf("%s: holds the receipt of decision %s, want that of %s", o.file, r.ID, id)
		}
		return found{data: data}, nil
	case o.server != "":
		data, err := o.ask(ctx, "/api/v1/decisions/"+id)
		return found{data: data}, err
	}
	cfg, err := p.load()
	if err != nil {
		return found{}, err
	}
	return stored(cfg.Store.Path, id)
}

// readReceipt reads a file, or standard input when its name is "-".
func readReceipt(name string, stdin io.Reader) ([]byte, error) {
	in := stdin
	if name != "-" {
		file, err := os.Open(name)
		if err != nil {
			return nil, fmt.Errorf("receipt: %w", err)
		}
		defer file.Close()
		in = file
	}
	data, err := io.ReadAll(io.LimitReader(in, 2*(ledger.MostNamed+1)*ledger.MaxBytes))
	if err != nil {
		return nil, fmt.Errorf("receipt: %w", err)
	}
	return data, nil
}

// ask gets path from the tipline at the address of o.
func (o origin) ask(ctx context.Context, path string) ([]byte, error) {
	address := o.server
	base, err := url.Parse(address)
	if err != nil || base.Scheme != "http" && base.Scheme != "https" || base.Host == "" {
		return nil, fmt.Errorf("--server: got %q, want an address such as http://127.0.0.1:9464", address)
	}
	shown := base.Redacted()
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimRight(base.String(), "/")+path, http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("--server %s: %w", shown, errUnreachable)
	}
	client, err := o.httpClient()
	if err != nil {
		return nil, err
	}
	defer client.CloseIdleConnections()
	response, err := client.Do(request)
	if err != nil {
		var ue *url.Error
		if errors.As(err, &ue) {
			err = ue.Err // its text holds the address, and that may hold a password
		}
		return nil, fmt.Errorf("--server %s: %w: %w", shown, errUnreachable, err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 64<<20))
	if err != nil {
		return nil, fmt.Errorf("--server %s: %w: %w", shown, errUnreachable, err)
	}
	if response.StatusCode != http.StatusOK {
		var said struct {
			Error string `json:"error"`
		}
		if json.Unmarshal(body, &said) != nil || said.Error == "" {
			said.Error = response.Status
		}
		return nil, fmt.Errorf("--server %s: %s", shown, model.Printable(said.Error))
	}
	return body, nil
}

// httpClient returns a client that authenticates as the file of o says and follows no redirect, so that a password goes nowhere else.
func (o origin) httpClient() (*http.Client, error) {
	settings := promconfig.DefaultHTTPClientConfig
	if o.client != "" {
		loaded, _, err := promconfig.LoadHTTPConfigFile(o.client)
		if err != nil {
			return nil, fmt.Errorf("--http.config.file: %w", err)
		}
		loaded.SetDirectory(filepath.Dir(o.client))
		settings = *loaded
	}
	settings.FollowRedirects = false
	client, err := promconfig.NewClientFromConfig(settings, "tipline")
	if err != nil {
		return nil, fmt.Errorf("--http.config.file: %w", err)
	}
	return client, nil
}

// stored reads the receipt of the decision or of the message id from the data file in folder.
func stored(folder, id string) (found, error) {
	file, err := store.OpenToRead(folder)
	switch {
	case errors.Is(err, store.ErrInUse):
		return found{}, fmt.Errorf("%w: ask that one with --server http://127.0.0.1:9464, its --web.listen-address", err)
	case errors.Is(err, fs.ErrNotExist):
		return found{}, fmt.Errorf("%w: no tipline has run with this configuration yet; --receipt reads a file, --server asks a running one", err)
	case err != nil:
		return found{}, err
	}
	defer file.Close()
	f, get := found{}, func(id string) ([]byte, error) { return ledger.Find(file, id) }
	what := "decision"
	if ledger.ValidMessageID(id) {
		what = "message"
		if f.data, err = ledger.Bundled(id, get); err == nil {
			f, err = f.opened(id)
		}
		if f.message != nil && f.message.Receipt != "" {
			id = f.message.Receipt
		}
	} else {
		f.data, err = get(id)
	}
	if err != nil {
		return found{}, err
	}
	if f.data == nil {
		return found{}, fmt.Errorf("%s %s: the ledger in %s does not hold it: it keeps those that changed something, and those of the last report", what, id, folder)
	}
	if row, err := file.Get(ledger.Bucket, alerting.Announced+id); err == nil && row != nil {
		a := new(alerting.Announcement)
		if json.Unmarshal(row, a) == nil {
			f.announcement = a
		}
	}
	if answers, err := ledger.LoadAnswers(file); err == nil {
		if a, ok := answers.To(id); ok {
			f.answer = &a
		}
	}
	return f, nil
}

// isInUse reports whether err says that a running tipline holds the data file.
func isInUse(err error) bool { return errors.Is(err, store.ErrInUse) }
