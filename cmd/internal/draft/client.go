package draft

import (
	"fmt"
	"maps"
	"slices"

	promconfig "github.com/prometheus/common/config"
	"go.yaml.in/yaml/v4"
)

// client returns the keys of prometheus that say how to authenticate as c does, and what of c cannot stand in a configuration: secrets
// that are not in a file.
func client(c promconfig.HTTPClientConfig) (keys []any, left []string) {
	file := func(n *yaml.Node, key, path string, secret promconfig.Secret) {
		if path != "" {
			add(n, key+"_file", text(path))
		} else if secret != "" {
			left = append(left, fmt.Sprintf("%s is not written here: put it into a file and name that in %s_file", key, key))
		}
	}
	if b := c.BasicAuth; b != nil {
		n := mapping(false)
		if b.UsernameFile != "" {
			add(n, "username_file", text(b.UsernameFile))
		} else {
			add(n, "username", text(b.Username))
		}
		file(n, "password", b.PasswordFile, b.Password)
		keys = append(keys, "basic_auth", n)
	}
	if a := c.Authorization; a != nil && a.CredentialsFile+string(a.Credentials) != "" {
		n := mapping(false)
		if a.Type != "" && a.Type != "Bearer" {
			add(n, "type", text(a.Type))
		}
		file(n, "credentials", a.CredentialsFile, a.Credentials)
		if len(n.Content) > 0 && a.CredentialsFile != "" {
			keys = append(keys, "authorization", n)
		}
	}
	if o := c.OAuth2; o != nil {
		n := mapping(false, "client_id", text(o.ClientID), "token_url", text(o.TokenURL))
		file(n, "client_secret", o.ClientSecretFile, o.ClientSecret)
		if len(o.Scopes) > 0 {
			add(n, "scopes", list(o.Scopes))
		}
		if len(o.EndpointParams) > 0 {
			add(n, "endpoint_params", texts(o.EndpointParams))
		}
		keys = append(keys, "oauth2", n)
	}
	tls := mapping(false)
	for _, field := range []struct{ key, value string }{
		{"ca_file", c.TLSConfig.CAFile}, {"cert_file", c.TLSConfig.CertFile}, {"key_file", c.TLSConfig.KeyFile}, {"server_name", c.TLSConfig.ServerName},
	} {
		if field.value != "" {
			add(tls, field.key, text(field.value))
		}
	}
	if c.TLSConfig.InsecureSkipVerify {
		add(tls, "insecure_skip_verify", &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: "true"})
	}
	if len(tls.Content) > 0 {
		keys = append(keys, "tls_config", tls)
	}
	if c.HTTPHeaders != nil {
		headers := mapping(false)
		for _, name := range slices.Sorted(maps.Keys(c.HTTPHeaders.Headers)) {
			h := c.HTTPHeaders.Headers[name]
			n := mapping(true)
			if len(h.Values) > 0 {
				add(n, "values", list(h.Values))
			}
			if len(h.Files) > 0 {
				add(n, "files", list(h.Files))
			}
			if len(h.Secrets) > 0 {
				left = append(left, fmt.Sprintf("the secrets of the header %s are not written here: put them into files and name those", shown(name)))
			}
			if len(n.Content) > 0 {
				add(headers, name, n)
			}
		}
		if len(headers.Content) > 0 {
			keys = append(keys, "http_headers", headers)
		}
	}
	switch {
	case c.ProxyURL.URL != nil:
		keys = append(keys, "proxy_url", text(c.ProxyURL.String()))
	case c.ProxyFromEnvironment:
		keys = append(keys, "proxy_from_environment", &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: "true"})
	}
	for _, lost := range []struct {
		key  string
		said bool
	}{
		{"tls_config.ca", c.TLSConfig.CA != ""},
		{"tls_config.cert", c.TLSConfig.Cert != ""},
		{"tls_config.key", c.TLSConfig.Key != ""},
		{"tls_config.min_version", c.TLSConfig.MinVersion != 0},
		{"tls_config.max_version", c.TLSConfig.MaxVersion != 0},
		{"no_proxy", c.NoProxy != ""},
		{"proxy_connect_header", len(c.ProxyConnectHeader) > 0},
		{"oauth2.tls_config", c.OAuth2 != nil && c.OAuth2.TLSConfig != promconfig.TLSConfig{}},
		{"oauth2.grant_type", c.OAuth2 != nil && c.OAuth2.GrantType != ""},
	} {
		if lost.said {
			left = append(left, lost.key+" is no key of the configuration and is not written here")
		}
	}
	return keys, left
}

// texts returns a mapping of texts in one line, sorted.
func texts(values map[string]string) *yaml.Node {
	n := mapping(true)
	for _, key := range slices.Sorted(maps.Keys(values)) {
		add(n, key, text(values[key]))
	}
	return n
}
