// Package pricelist keeps copies of price lists of others on disk, as price books, and brings them up to date.
package pricelist

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"tipline/config"
)

// timeout is how long a list may take, its whole body included.
const timeout = 2 * time.Minute

// head is what is kept of an answer, to ask only for what has changed since.
type head struct {
	URL          string               `json:"url"` // or which nodes of which source were asked about
	ETag         string               `json:"etag,omitempty"`
	LastModified string               `json:"last_modified,omitempty"`
	Refused      []config.Quarantined `json:"refused,omitempty"` // rows that cannot be right, which are told as long as the list stays as it is
}

// mostRefused is how many refused rows are kept with a copy; a list with more is not one to be believed at all.
const mostRefused = 1000

// Refresh brings the copy of source up to date, as of now, and reports whether a price in it changed. What cannot be right, or changed more
// than twofold without being confirmed, at once or little by little, is returned and stays as it was in the copy, or in the built-in book
// before there is one. On an error the copy is untouched.
func Refresh(ctx context.Context, source config.PriceSource, confirmed []string, now time.Time) (changed bool, bad []config.Quarantined, err error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	before, cached := copied(source)
	last := head{}
	if cached {
		if last = headOf(source); last.URL != source.URL {
			last = head{} // of another address
		}
	}
	response, err := get(ctx, source.URL, last)
	if err != nil {
		return false, nil, fmt.Errorf("price list %s: %w", source.Name, err)
	}
	defer response.Body.Close()
	day := now.UTC().Format(time.DateOnly)
	switch response.StatusCode {
	case http.StatusNotModified:
		return false, last.Refused, write(source, before.Dated(day), last)
	case http.StatusOK:
	default:
		return false, nil, fmt.Errorf("price list %s: the server answers %.100s", source.Name, response.Status)
	}
	list, bad, err := config.Import(source.From, response.Body, source.Provider, day)
	if err != nil {
		return false, nil, fmt.Errorf("price list %s: %w", source.Name, err)
	}
	changed, jumps, err := replace(source, list, confirmed, head{
		URL: source.URL, ETag: response.Header.Get("ETag"), LastModified: response.Header.Get("Last-Modified"), Refused: bad[:min(len(bad), mostRefused)],
	})
	return changed, append(bad, jumps...), err
}

// headOf returns what was kept of the answer that the copy of source is from, empty when nothing can be read.
func headOf(source config.PriceSource) (h head) {
	data, err := os.ReadFile(source.Path + ".json")
	if err != nil || json.Unmarshal(data, &h) != nil {
		return head{}
	}
	return h
}

// copied returns the copy of source, and false when there is none that can be read: it is made again.
func copied(source config.PriceSource) (book config.Book, cached bool) {
	book, err := source.Copy()
	return book, err == nil
}

// replace puts what of list is believed into the copy of source, with the head of the answer that it is from.
func replace(source config.PriceSource, list config.Book, confirmed []string, h head) (changed bool, jumps []config.Quarantined, err error) {
	was, cached := copied(source)
	base := was
	switch {
	case !cached:
		base = config.Builtin().Only(list.Has)
	case source.From == config.OpenCost:
		// When other nodes than before are asked about, those that are not found are none of them. An early version did not keep about which it asked.
		if asked := headOf(source).URL; asked != "" && asked != h.URL {
			base = base.Only(list.Has)
		}
	}
	anchors := source.Anchors()
	firm, known := copied(anchors)
	if !known {
		firm = base
	}
	list, jumps = firm.Held(list, confirmed)
	after, more := base.Update(list, confirmed)
	jumps = append(jumps, more...)
	if err := writeBook(anchors, firm.Anchored(after, confirmed)); err != nil {
		return false, jumps, err
	}
	if len(jumps) > 0 { // asked for as a whole the next time: somebody may stand for them by then, and until then they are to be told
		h.ETag, h.LastModified = "", ""
	}
	if err := write(source, after, h); err != nil {
		return false, jumps, err
	}
	return len(was.Diff(after)) > 0 || !cached, jumps, nil
}

// get asks for address unless it is still as last says.
func get(ctx context.Context, address string, last head) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return nil, errors.New("want an address such as https://example.com/prices.json")
	}
	for name, value := range map[string]string{"If-None-Match": last.ETag, "If-Modified-Since": last.LastModified} {
		if value != "" {
			request.Header.Set(name, value)
		}
	}
	client := &http.Client{CheckRedirect: func(to *http.Request, via []*http.Request) error {
		if to.URL.Host != via[0].URL.Host || len(via) >= 10 {
			return fmt.Errorf("redirected to %s, which is not the host that is configured", to.URL.Host)
		}
		return nil
	}}
	response, err := client.Do(request)
	var failed *url.Error
	if errors.As(err, &failed) {
		err = failed.Err // its text holds the address, and that may hold a token
	}
	return response, err
}

// write replaces the copy of source as a whole, or leaves it as it is, and keeps the head of the answer that it is from.
func write(source config.PriceSource, book config.Book, h head) error {
	if err := writeBook(source, book); err != nil {
		return err
	}
	data, err := json.Marshal(h)
	if err == nil {
		err = os.WriteFile(source.Path+".json", data, 0o600)
	}
	if err != nil {
		return fmt.Errorf("price list %s: %w", source.Name, err)
	}
	return nil
}

// writeBook replaces the copy of source as a whole, or leaves it as it is.
func writeBook(source config.PriceSource, book config.Book) error {
	if err := os.MkdirAll(filepath.Dir(source.Path), 0o700); err != nil {
		return fmt.Errorf("price list %s: %w", source.Name, err)
	}
	file, err := os.CreateTemp(filepath.Dir(source.Path), filepath.Base(source.Path)+".*")
	if err != nil {
		return fmt.Errorf("price list %s: %w", source.Name, err)
	}
	_, err = book.WriteTo(file)
	err = errors.Join(err, file.Sync(), file.Close())
	if err == nil {
		err = os.Rename(file.Name(), source.Path)
	}
	if err != nil {
		_ = os.Remove(file.Name())
		return fmt.Errorf("price list %s: %w", source.Name, err)
	}
	return nil
}
