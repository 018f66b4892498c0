package daemon

import (
	"net/http"
	"os"
	"slices"

	promconfig "github.com/prometheus/common/config"
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
