// Package slack writes events as Block Kit messages and posts them with a bot token or through an incoming webhook.
package slack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"
	"time"

	slackapi "github.com/slack-go/slack"

	"tipline/alerting"
)

// Settings says where to post. Exactly one of TokenFile and WebhookURLFile is set; both are read anew for every message,
// so that a rotated secret needs no restart.
type Settings struct {
	TokenFile      string // a file that holds a bot token
	WebhookURLFile string // a file that holds the URL of an incoming webhook
	Channel        string // where a bot posts what names no channel; a webhook has a channel of its own
	APIURL         string // empty means Slack's own; for receivers that speak Slack's API
}

// A Notifier posts to Slack.
type Notifier struct {
	settings Settings
	client   *http.Client
}

// New returns a Notifier that sends through client. It opens no file and no connection.
func New(s Settings, client *http.Client) (*Notifier, error) {
	switch {
	case s.TokenFile == "" && s.WebhookURLFile == "":
		return nil, errors.New("want token_file or webhook_url_file")
	case s.TokenFile != "" && s.WebhookURLFile != "":
		return nil, errors.New("got both token_file and webhook_url_file, want one")
	case s.TokenFile != "" && s.Channel == "":
		return nil, errors.New("channel: missing; a bot token needs one")
	}
	guarded := *client
	guarded.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Notifier{settings: s, client: &guarded}, nil
}

// Name returns "slack".
func (n *Notifier) Name() string { return "slack" }

// Send posts e. The message is accepted only when Slack says ok: a webhook by the body "ok", the API by a timestamp.
func (n *Notifier) Send(ctx context.Context, e alerting.Event) error {
	if n.settings.TokenFile != "" {
		return n.post(ctx, e)
	}
	return n.hook(ctx, e)
}

func (n *Notifier) post(ctx context.Context, e alerting.Event) error {
	token, err := secret(n.settings.TokenFile)
	if err != nil {
		return err
	}
	watch := &watched{next: n.client.Transport}
	client := *n.client
	client.Transport = watch
	options := []slackapi.Option{slackapi.OptionHTTPClient(&client)}
	if n.settings.APIURL != "" {
		options = append(options, slackapi.OptionAPIURL(strings.TrimSuffix(n.settings.APIURL, "/")+"/"))
	}
	channel := n.settings.Channel
	if e.Channel != "" {
		channel = e.Channel
	}
	message := []slackapi.MsgOption{
		slackapi.MsgOptionText(Text(e), false), slackapi.MsgOptionDisableLinkUnfurl(), slackapi.MsgOptionDisableMediaUnfurl(), slackapi.MsgOptionParse(false),
	}
	if !e.Plain {
		message = append(message, slackapi.MsgOptionBlocks(Blocks(e)...))
	}
	_, timestamp, err := slackapi.New(token, options...).PostMessageContext(ctx, channel, message...)
	if err == nil && timestamp == "" {
		return &alerting.SendError{Remedy: alerting.Reconcile, Err: fmt.Errorf("slack: accepted without a timestamp: %s", watch.said())}
	}
	return classify(err, watch)
}

func (n *Notifier) hook(ctx context.Context, e alerting.Event) error {
	address, err := secret(n.settings.WebhookURLFile)
	if err != nil {
		return err
	}
	watch := &watched{next: n.client.Transport}
	client := *n.client
	client.Transport = watch
	off := false
	message := &slackapi.WebhookMessage{Text: Text(e), UnfurlLinks: &off, UnfurlMedia: &off, Parse: "none"}
	if !e.Plain {
		message.Blocks = &slackapi.Blocks{BlockSet: Blocks(e)}
	}
	err = slackapi.PostWebhookCustomHTTPContext(ctx, address, &client, message)
	if err == nil && strings.TrimSpace(watch.body) != "ok" {
		// The library takes any answer with status 200 for success.
		return &alerting.SendError{Remedy: alerting.Reconcile, Err: fmt.Errorf("slack webhook: status 200, but the answer is not ok: %s", watch.said())}
	}
	return classify(err, watch)
}

// secret reads the only line of a file.
func secret(path string) (string, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return "", &alerting.SendError{Remedy: alerting.FixSettings, Err: fmt.Errorf("slack: secret file: %w", err)}
	}
	text := strings.TrimSpace(string(data))
	if text == "" || strings.ContainsAny(text, " \n\r\t") {
		return "", &alerting.SendError{Remedy: alerting.FixSettings, Err: fmt.Errorf("slack: secret file %s: want one line with the secret and nothing else", path)}
	}
	return text, nil
}

// watched is a transport that keeps what a message's fate depends on and the client library drops.
type watched struct {
	next   http.RoundTripper
	sent   bool   // the whole request was written
	status int    // 0 without an answer
	retry  string // the Retry-After header
	body   string // the first bytes of the answer
}

// keptBytes is how much of an answer is kept, enough for Slack's error codes.
const keptBytes = 512

// RoundTrip sends r and keeps the beginning of the answer.
func (w *watched) RoundTrip(r *http.Request) (*http.Response, error) {
	next := w.next
	if next == nil {
		next = http.DefaultTransport
	}
	if r.Body != nil {
		r = r.Clone(r.Context())
		r.Body = &noted{ReadCloser: r.Body, done: func() { w.sent = true }}
	}
	resp, err := next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	w.status, w.retry = resp.StatusCode, resp.Header.Get("Retry-After")
	begin, err := io.ReadAll(io.LimitReader(resp.Body, keptBytes))
	w.body = string(begin)
	if err != nil {
		_ = resp.Body.Close()
		return nil, err
	}
	resp.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(strings.NewReader(w.body), io.LimitReader(resp.Body, 1<<20)), resp.Body}
	return resp, nil
}

// said quotes the answer on one line.
func (w *watched) said() string { return fmt.Sprintf("%q", w.body) }

// noted calls done when its reader reached the end.
type noted struct {
	io.ReadCloser
	done func()
}

func (n *noted) Read(p []byte) (int, error) {
	k, err := n.ReadCloser.Read(p)
	if errors.Is(err, io.EOF) {
		n.done()
	}
	return k, err
}

// unaskedWait is how long a limit without a usable Retry-After is respected.
const unaskedWait = 30 * time.Second

// remedies sorts Slack's error codes.
var remedies = func() map[string]alerting.Remedy {
	m := map[string]alerting.Remedy{}
	for remedy, codes := range map[alerting.Remedy]string{
		alerting.Retry: "rate_limited ratelimited message_limit_exceeded service_unavailable request_timeout team_added_to_org",
		alerting.Simplify: "invalid_payload invalid_blocks invalid_blocks_format msg_blocks_too_long msg_too_long no_text too_many_attachments " +
			"metadata_too_large invalid_metadata_format invalid_metadata_schema",
		alerting.FixSettings: "action_prohibited invalid_token posting_to_general_channel_denied restricted_action restricted_action_read_only_channel " +
			"restricted_action_thread_only_channel ekm_access_denied channel_not_found no_service no_team user_not_found channel_is_archived " +
			"is_archived not_in_channel no_permission invalid_auth not_authed token_revoked token_expired account_inactive access_denied " +
			"missing_scope org_login_required two_factor_setup_required",
	} {
		for code := range strings.FieldsSeq(codes) {
			m[code] = remedy
		}
	}
	return m
}()

// classify says what helps against err, and takes every secret out of it.
func classify(err error, w *watched) error {
	if err == nil {
		return nil
	}
	out := &alerting.SendError{Remedy: alerting.Reconcile, Err: fmt.Errorf("slack: %s", errorText(err, w))}
	code := strings.TrimSpace(w.body)
	var refused slackapi.SlackErrorResponse
	if errors.As(err, &refused) {
		code = refused.Err
	}
	var limited *slackapi.RateLimitedError
	known, sorted := remedies[code]
	switch {
	case errors.As(err, &limited), w.status == http.StatusTooManyRequests:
		out.Remedy, out.After = alerting.Retry, retryAfter(w.retry)
	case sorted:
		out.Remedy = known
	case w.status >= 500:
		out.After = retryAfterOr(w.retry, 0)
	case w.status == http.StatusForbidden, w.status == http.StatusNotFound, w.status == http.StatusGone, w.status == http.StatusUnauthorized:
		out.Remedy = alerting.FixSettings
	case w.status >= 400:
		out.Remedy = alerting.Simplify
	case w.status >= 300:
		out.Remedy = alerting.FixSettings
	case w.status == 0 && neverArrived(err, w):
		out.Remedy = alerting.Retry
	}
	return out
}

// neverArrived reports whether err came before the request was written: refused, not resolved, no TLS, cut off early.
func neverArrived(err error, w *watched) bool {
	var dns *net.DNSError
	var op *net.OpError
	return !w.sent || errors.As(err, &dns) || errors.Is(err, syscall.ECONNREFUSED) || errors.As(err, &op) && op.Op == "dial"
}

// errorText writes err without the URL, which for a webhook is the secret itself.
func errorText(err error, w *watched) string {
	var at *url.Error
	for errors.As(err, &at) {
		err = at.Err
	}
	text := err.Error()
	if w.status != 0 {
		text = fmt.Sprintf("status %d: %s", w.status, text)
		if w.body != "" {
			text += ": " + w.said()
		}
	}
	return text
}

func retryAfter(header string) time.Duration { return retryAfterOr(header, unaskedWait) }

// retryAfterOr reads a Retry-After header in its form of seconds or of a date, which is answered with fallback: without the
// other side's clock a date says little.
func retryAfterOr(header string, fallback time.Duration) time.Duration {
	var seconds int64
	if _, err := fmt.Sscanf(header, "%d", &seconds); err != nil || seconds <= 0 {
		return fallback
	}
	return time.Duration(min(seconds, 24*3600)) * time.Second
}
