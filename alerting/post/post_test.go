package post

import (
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tipline/alerting"
)

// planted is part of every address, as the secret of a webhook is.
const planted = "planted-secret"

func TestJSON(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name       string
		status     int
		retryAfter string
		remedy     alerting.Remedy // empty: accepted
		after      time.Duration
	}{
		{"accepted", 200, "", "", 0},
		{"accepted without a body", 204, "", "", 0},
		{"too many requests, in seconds", 429, "7", alerting.Retry, 7 * time.Second},
		{"too many requests, without saying", 429, "", alerting.Retry, UnaskedWait},
		{"too many requests, as a date", 429, "date", alerting.Retry, 90 * time.Second},
		{"too many requests, zero", 429, "0", alerting.Retry, UnaskedWait},
		{"too many requests, negative", 429, "-5", alerting.Retry, UnaskedWait},
		{"too many requests, absurd", 429, "99999999999", alerting.Retry, 24 * time.Hour},
		{"unavailable", 503, "3", alerting.Retry, 3 * time.Second},
		{"bad gateway may have passed it on", 502, "", alerting.Reconcile, 0},
		{"unauthorized", 401, "", alerting.FixSettings, 0},
		{"gone", 410, "", alerting.FixSettings, 0},
		{"a redirect is not followed", 302, "", alerting.FixSettings, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var asked int
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				asked++
				switch tc.retryAfter {
				case "date":
					w.Header().Set("Date", "Mon, 02 Nov 2026 06:00:00 GMT")
					w.Header().Set("Retry-After", "Mon, 02 Nov 2026 06:01:30 GMT")
				default:
					w.Header().Set("Retry-After", tc.retryAfter)
				}
				if tc.status == 302 {
					w.Header().Set("Location", r.URL.Path+"/elsewhere")
				}
				w.WriteHeader(tc.status)
			}))
			t.Cleanup(server.Close)
			err := JSON(t.Context(), Client(server.Client()), server.URL+"/"+planted, nil, []byte("{}"))
			if tc.remedy == "" {
				if err != nil {
					t.Fatalf("got %v, want acceptance", err)
				}
				return
			}
			var failed *alerting.SendError
			if !errors.As(err, &failed) || failed.Remedy != tc.remedy || failed.After != tc.after {
				t.Fatalf("got %+v, want %s after %s", failed, tc.remedy, tc.after)
			}
			if strings.Contains(err.Error(), planted) {
				t.Errorf("%v holds the address", err)
			}
			if asked != 1 {
				t.Errorf("asked %d times, want once", asked)
			}
		})
	}
}

// TestBrokenConnections holds that only what was written whole counts as possibly arrived.
func TestBrokenConnections(t *testing.T) {
	t.Parallel()
	send := func(address string) *alerting.SendError {
		err := JSON(t.Context(), Client(&http.Client{Timeout: time.Second}), address+"/"+planted, nil, []byte("{}"))
		var failed *alerting.SendError
		if !errors.As(err, &failed) || strings.Contains(err.Error(), planted) {
			t.Fatalf("got %v, want an error that says what helps and hides the address", err)
		}
		return failed
	}
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	if got := send(closed.URL); got.Remedy != alerting.Retry {
		t.Errorf("refused: got %s, want retry", got.Remedy)
	}
	if got := send("http://nowhere.invalid"); got.Remedy != alerting.Retry {
		t.Errorf("no such host: got %s, want retry", got.Remedy)
	}
	reset := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = r.Body.Read(make([]byte, 10))
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_ = conn.(*net.TCPConn).SetLinger(0)
		_ = conn.Close()
	}))
	t.Cleanup(reset.Close)
	if got := send(reset.URL); got.Remedy != alerting.Reconcile {
		t.Errorf("cut after the request was written: got %s, want reconcile", got.Remedy)
	}
	if got := send("http://\x7f"); got.Remedy != alerting.FixSettings {
		t.Errorf("no URL: got %s, want fix_settings", got.Remedy)
	}
}

func TestSecret(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "secret")
	for content, want := range map[string]string{"s3cret\n": "s3cret", "": "", "two words": "", "two\nlines": ""} {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := Secret(file)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: got %q, %v, want %q", content, got, err, want)
		}
	}
	if _, err := Secret(file + "-missing"); err == nil || !strings.Contains(err.Error(), "-missing") {
		t.Errorf("a missing file: got %v, want its name", err)
	}
}
