package daemon

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"

	promconfig "github.com/prometheus/common/config"

	"tipline/config"
)

// credentialed is a transport that sends a request once more that was refused with a credential whose file has changed since. That the file is read
// for every request is the matter of the transport below.
type credentialed struct {
	http.RoundTripper

	files []string
}

// credentialFiles returns the files in which c says that credentials are.
func credentialFiles(c promconfig.HTTPClientConfig) (files []string) {
	if a := c.Authorization; a != nil {
		files = append(files, a.CredentialsFile)
	}
	if b := c.BasicAuth; b != nil {
		files = append(files, b.UsernameFile, b.PasswordFile)
	}
	if o := c.OAuth2; o != nil {
		files = append(files, o.ClientSecretFile)
	}
	if c.HTTPHeaders != nil {
		for _, h := range c.HTTPHeaders.Headers {
			files = append(files, h.Files...)
		}
	}
	return slices.DeleteFunc(files, func(file string) bool { return file == "" })
}

// unreadable names every file that c says holds credentials and that cannot be read, or holds none. All are read anew whenever they are used, so that a
// start need not wait for them; a reload is when somebody looks.
func unreadable(c *config.Config) error {
	var errs []error
	look := func(whose string, files ...string) {
		for _, file := range files {
			if file == "" {
				continue
			}
			data, err := os.ReadFile(file)
			if err == nil && strings.TrimSpace(string(data)) == "" {
				err = fmt.Errorf("%s is empty", file)
			}
			if err != nil {
				errs = append(errs, fmt.Errorf("%s: want a file with credentials: %w", whose, err))
			}
		}
	}
	for _, s := range c.Sources {
		look("source "+s.Name, credentialFiles(s.Prometheus.HTTP)...)
	}
	if s := c.Notify.Slack; s != nil {
		look("notify.slack", s.TokenFile, s.WebhookURLFile, s.AppTokenFile)
	}
	if w := c.Notify.Webhook; w != nil {
		look("notify.webhook", w.URLFile, w.SecretFile)
	}
	return errors.Join(errs...)
}

// RoundTrip sends req, which must have a body that can be read again, or none.
func (t credentialed) RoundTrip(req *http.Request) (*http.Response, error) {
	before := t.read()
	resp, err := t.RoundTripper.RoundTrip(req)
	if err != nil || resp.StatusCode != http.StatusUnauthorized && resp.StatusCode != http.StatusForbidden || slices.Equal(t.read(), before) {
		return resp, err
	}
	again := req.Clone(req.Context())
	if req.GetBody != nil {
		if again.Body, err = req.GetBody(); err != nil {
			return resp, nil // the refusal says more
		}
	}
	_ = resp.Body.Close()
	return t.RoundTripper.RoundTrip(again)
}

// read returns what the files hold; one that cannot be read holds nothing, which the transport below reports.
func (t credentialed) read() []string {
	contents := make([]string, len(t.files))
	for i, file := range t.files {
		data, _ := os.ReadFile(file)
		contents[i] = string(data)
	}
	return contents
}
