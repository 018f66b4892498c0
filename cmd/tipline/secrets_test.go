package main

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"tipline/alerting/slack/slacktest"
)

// planted is part of every secret of TestSecretsStayInside but those of the Slack, which has its own.
const planted = "pl4nted"

// guarded is the configuration of a program with a secret in every place that takes one.
const guarded = `sources:
  - {name: basic, prometheus: {url: "%[1]s/basic", basic_auth: {username: tipline, password_file: secrets/password}}, pack: litellm, group_by: [team_alias], hosting: api, backfill: 8d}
  - {name: bearer, prometheus: {url: "%[1]s/bearer", authorization: {credentials_file: secrets/bearer}}, pack: litellm, group_by: [team_alias], hosting: api, backfill: 8d}
  - {name: oauth, prometheus: {url: "%[1]s/oauth", oauth2: {client_id: tipline, client_secret_file: secrets/client, token_url: "%[1]s/token"}}, pack: litellm, group_by: [team_alias], hosting: api, backfill: 8d}
  - {name: header, prometheus: {url: "%[1]s/header", http_headers: {X-Key: {files: [secrets/header]}}}, pack: litellm, group_by: [team_alias], hosting: api, backfill: 8d}
options:
  - {name: api, kind: api, model: example/model, prices: {input: 3, output: 3, cache_read: 3}}
  - {name: fleet, kind: self-hosted, gpu: {type: h100, per_replica: 2, usd_per_hour: 3.99}, throughput: {tokens_per_hour: 30276000}}
workloads: [{source: basic, name: support, meter: separate}, {source: bearer, meter: separate}, {source: oauth, meter: separate}, {source: header, meter: separate}]
defaults:
  current: api
  candidates: [api, fleet]
  constraints: {data_sensitivity: internal, ops_capacity: dedicated}
policy: {confirmations: 1}
notify:
  slack: {%[2]s}
  webhook: {url_file: secrets/webhook, secret_file: secrets/key}
  alertmanager: {url: "%[1]s/manager"}
`

// TestSecretsStayInside plants a secret in every place that takes one, lets everything behind them work, refuse and break, and finds none in what
// the program prints, logs, serves and keeps, nor in what it leaves behind when it is killed with all its stacks.
func TestSecretsStayInside(t *testing.T) {
	t.Parallel()
	folder, prom, box := stageProgram(t)
	target, err := url.Parse(prom.URL)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	mode := "works"
	used := map[string]bool{} // which secrets arrived
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		now := mode
		_, password, _ := r.BasicAuth()
		for name, value := range map[string]string{
			"password": password, "bearer": r.Header.Get("Authorization"), "header": r.Header.Get("X-Key"), "webhook": r.URL.Path, "signature": r.Header.Get("X-Tipline-Signature"),
		} {
			used[name] = used[name] || strings.Contains(value, planted) || name == "signature" && value != ""
		}
		mu.Unlock()
		switch {
		case now == "refuses":
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprintln(w, "wrong credentials")
			return
		case now == "fails":
			w.WriteHeader(http.StatusBadGateway)
			return
		case now == "breaks":
			panic(http.ErrAbortHandler)
		case r.URL.Path == "/token":
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprintf(w, `{"access_token":"access-%s","token_type":"Bearer","expires_in":3600}`, planted)
			return
		case strings.HasPrefix(r.URL.Path, "/hooks/"), strings.HasPrefix(r.URL.Path, "/manager/"):
			return
		}
		proxy := httputil.NewSingleHostReverseProxy(target)
		r.URL.Path = "/" + strings.SplitN(strings.TrimPrefix(r.URL.Path, "/"), "/", 2)[1]
		proxy.ServeHTTP(w, r)
	}))
	defer server.Close()
	if err := os.Mkdir(filepath.Join(folder, "secrets"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"password": planted + "-password", "bearer": planted + "-bearer", "client": planted + "-client", "header": planted + "-header",
		"webhook": server.URL + "/hooks/" + planted, "key": planted + "-key", "slack-hook": box.URL + slacktest.HookPath, "app": slacktest.AppToken,
	} {
		writeFile(t, filepath.Join(folder, "secrets", name), text)
	}
	bot, hook := fmt.Sprintf(`token_file: token, app_token_file: secrets/app, channel: "#llm-cost", api_url: "%s/api"`, box.URL), "webhook_url_file: secrets/slack-hook"
	with := func(slack string) {
		writeFile(t, filepath.Join(folder, "tipline.yml"), fmt.Sprintf(guarded, server.URL, slack))
	}

	clean := func(where, text string) {
		t.Helper()
		for _, secret := range []string{planted, slacktest.Token, "canary", base64.StdEncoding.EncodeToString([]byte("tipline:" + planted + "-password"))} {
			if at := strings.Index(text, secret); at >= 0 {
				t.Errorf("%s shows a secret: …%s…", where, text[max(0, at-200):min(len(text), at+40)])
			}
		}
	}
	kept := func(where string) {
		t.Helper()
		err := filepath.WalkDir(filepath.Join(folder, "data"), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			clean(where+": "+entry.Name(), path+readFile(t, path))
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
	for _, is := range []string{"works", "refuses", "fails", "breaks"} {
		mu.Lock()
		mode = is
		mu.Unlock()
		box.Answer(func(n int) *slacktest.Answer {
			switch refused := slacktest.Error("invalid_auth"); is {
			case "refuses":
				return &refused
			case "fails":
				return &slacktest.Answer{Status: http.StatusBadGateway, Body: "bad gateway"}
			case "breaks":
				return &slacktest.Answer{Cut: true, Keep: n%2 == 0}
			}
			return nil
		})
		forget(t, folder)
		for slack, commands := range map[string][][]string{hook: {{"notify", "test"}}, bot: {{"run", "--once"}, {"notify", "test"}, {"check", "--live"}, {"report", "-o=json"}, {"preview", "switched"}}} {
			with(slack)
			for _, args := range commands {
				var out bytes.Buffer
				args := append(args, "--config="+filepath.Join(folder, "tipline.yml"), "--log.level=debug")
				code := run(t.Context(), args, func(string) string { return "" }, &out, &out)
				if args[0] == "run" && (code == exitDone) != (is == "works") {
					t.Errorf("%s: run ended with %d:\n%s", is, code, out.String())
				}
				clean(is+": "+strings.Join(args[:2], " "), out.String())
			}
		}
		kept(is)
	}
	mu.Lock() // a request that nobody waits for any more may still be answered
	for _, name := range []string{"password", "bearer", "header", "webhook", "signature"} {
		if !used[name] {
			t.Errorf("the secret %s was never used, so that nothing could show it", name)
		}
	}
	mode = "works"
	mu.Unlock()
	box.Answer(nil)
	cmd, address, log := child(t, folder)
	get(t, http.MethodGet, address+"/-/ready", http.StatusOK)
	report := get(t, http.MethodGet, address+"/api/v1/report", http.StatusOK)
	id := strings.SplitN(report[strings.LastIndex(report, `"decision":{"id":"`)+len(`"decision":{"id":"`):], `"`, 2)[0]
	for _, path := range []string{"/", "/metrics", "/api/v1/report", "/api/v1/workloads/support", "/api/v1/decisions/" + id} {
		clean(path, get(t, http.MethodGet, address+path, http.StatusOK))
	}
	with("token: " + planted + "-in-the-file") // refused
	clean("a reload that is refused", get(t, http.MethodPost, address+"/-/reload", http.StatusInternalServerError))
	if err := cmd.Process.Signal(syscall.SIGQUIT); err != nil { // all stacks
		t.Fatal(err)
	}
	_ = cmd.Wait() // it ends as a panic does
	if text := readFile(t, log); !strings.Contains(text, "goroutine ") {
		t.Errorf("no stacks in\n%s", text)
	}
	clean("log and stacks", readFile(t, log))
	kept("after the daemon")
}
