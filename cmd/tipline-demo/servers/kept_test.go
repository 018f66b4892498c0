package servers

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// keep stands before a server and keeps its answers in a folder, compressed as they came, so that whoever asks the same again has the same bytes
// without the time that the server takes for them.
func keep(ctx context.Context, a assignment, _ *figures) error {
	if err := os.MkdirAll(a.Folder, 0o700); err != nil {
		return err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println("http://" + listener.Addr().String())
	server := http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := answer(w, r, a); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	})}
	return server.Serve(listener)
}

// answer hands out what is kept of a request, after asking the server of a where it is not kept yet. Refusals are handed through and not kept.
func answer(w http.ResponseWriter, r *http.Request, a assignment) error {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	asked := body // what is about servers of other kinds stands in the address, which a plain client leaves out
	if r.Method == http.MethodGet {
		asked = []byte(r.URL.RawQuery)
	}
	path := filepath.Join(a.Folder, fmt.Sprintf("%x.json.gz", sha256.Sum256(fmt.Appendf(nil, "%s\n%s", r.URL.Path, asked))))
	kept, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		refused, err := forward(w, r, a.URL, body, path)
		if refused || err != nil {
			return err
		}
		if kept, err = os.Open(path); err != nil {
			return err
		}
	} else if err != nil {
		return err
	}
	defer kept.Close()
	w.Header().Set("Content-Type", "application/json")
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		w.Header().Set("Content-Encoding", "gzip")
		_, err := io.Copy(w, kept)
		return err
	}
	unfolded, err := gzip.NewReader(kept)
	if err != nil {
		return err
	}
	_, err = io.Copy(w, unfolded)
	return err
}

// forward asks the server at address and writes its answer into a file, or hands a refusal through.
func forward(w http.ResponseWriter, r *http.Request, address string, body []byte, path string) (refused bool, err error) {
	request, err := http.NewRequestWithContext(r.Context(), r.Method, address+r.URL.RequestURI(), bytes.NewReader(body))
	if err != nil {
		return false, err
	}
	request.Header = r.Header.Clone()
	request.Header.Set("Accept-Encoding", "gzip")
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		return false, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK || response.Header.Get("Content-Encoding") != "gzip" {
		for name := range response.Header {
			w.Header().Set(name, response.Header.Get(name))
		}
		w.WriteHeader(response.StatusCode)
		_, err := io.Copy(w, response.Body)
		return true, err
	}
	file, err := os.CreateTemp(filepath.Dir(path), "new-*")
	if err != nil {
		return false, err
	}
	_, err = io.Copy(file, response.Body)
	if err := errors.Join(err, file.Close()); err != nil {
		return false, errors.Join(err, os.Remove(file.Name()))
	}
	return false, os.Rename(file.Name(), path)
}
