// Package slack writes events as Block Kit messages and posts them with a bot token or through an incoming webhook.
package slack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"

	slackapi "github.com/slack-go/slack"

	"tipline/alerting"
	"tipline/alerting/chart"
	"tipline/alerting/post"
)

// Settings says where to post. Exactly one of TokenFile and WebhookURLFile is set; both are read anew for every message,
// so that a rotated secret needs no restart.
type Settings struct {
	TokenFile      string // a file that holds a bot token
	WebhookURLFile string // a file that holds the URL of an incoming webhook
	Channel        string // where a bot posts what names no channel; a webhook has a channel of its own
	APIURL         string // empty means Slack's own; for receivers that speak Slack's API
	AppTokenFile   string // a file that holds an app-level token, for buttons; empty: the commands that do the same are shown

	// Draw writes a chart as PNG, for a workspace that shows none itself and a token that may upload; nil: there is no picture.
	Draw func(out io.Writer, c *chart.Chart) error
}

// A Notifier posts to Slack.
type Notifier struct {
	settings Settings
	client   *http.Client

	chartless   atomic.Bool // the workspace takes no charts
	pictureless atomic.Bool // the token may not upload
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
	case s.AppTokenFile != "" && s.TokenFile == "":
		return nil, errors.New("got app_token_file without token_file, want both: a webhook shows no buttons")
	}
	return &Notifier{settings: s, client: post.Client(client)}, nil
}

// NotifierName is the name of every Notifier here.
const NotifierName = "slack"

// Name returns NotifierName.
func (n *Notifier) Name() string { return NotifierName }

// Send posts e. The message is accepted only when Slack says ok: a webhook by the body "ok", the API by a timestamp. One that may have
// arrived before is looked for first, where the token may read the history of the channel, and not sent again when it is there.
//
// With a bot token there is one message a decision: what happens later is said in its thread, and it is brought up to date in place.
func (n *Notifier) Send(ctx context.Context, e alerting.Event) (alerting.Posted, error) {
	if n.settings.TokenFile != "" {
		return n.post(ctx, e)
	}
	if e.Reason == alerting.Answered { // the message that it is about cannot be changed
		return alerting.Posted{}, nil
	}
	return alerting.Posted{}, n.hook(ctx, e)
}

// Reachable asks Slack, without a message, whether it takes the token and, where people can answer with buttons, offers a connection for that.
// A webhook cannot be asked. The error is as those of Send; asking again doubles nothing.
func (n *Notifier) Reachable(ctx context.Context) error {
	if n.settings.TokenFile == "" {
		return nil
	}
	token, err := n.token()
	if err != nil {
		return err
	}
	api, trip := n.api(token)
	if _, err := api.AuthTestContext(ctx); err != nil {
		return asked(err, trip)
	}
	if n.Listens() {
		_, err = n.offered(ctx)
	}
	return err
}

// rotating begins every token that Slack gives for twelve hours only, and the one that renews it (docs.slack.dev, token rotation).
const rotating = "xoxe"

// token reads the token of the bot.
func (n *Notifier) token() (string, error) {
	token, err := post.Secret(n.settings.TokenFile)
	if err == nil && strings.HasPrefix(token, rotating) {
		err = &alerting.SendError{
			Remedy: alerting.FixSettings, Err: errors.New("slack: the token rotates and would be refused after 12 hours, want that of an app without token rotation"),
		}
	}
	return token, err
}

func (n *Notifier) post(ctx context.Context, e alerting.Event) (at alerting.Posted, err error) {
	token, err := n.token()
	if err != nil {
		return at, err
	}
	api, trip := n.api(token)
	channel := n.settings.Channel
	if e.Channel != "" {
		channel = e.Channel
	}
	elsewhere := e.Root != nil && e.Root.Wanted != channel && e.Reason != alerting.Answered
	if elsewhere {
		e.Root = nil // it began in another channel, where it is answered
	}
	at.Wanted = channel
	if e.Root != nil {
		if e.Root, err = n.update(ctx, api, trip, e); err != nil {
			return at, err
		}
		if e.Root != nil {
			channel = e.Root.Channel
		}
	}
	if e.Reason == alerting.Answered && e.Root == nil {
		return alerting.Posted{}, nil // no message shows the decision any more
	}
	if e.Repeat && !e.Plain {
		seen, err := look(ctx, api, trip, channel, e)
		if err != nil && !e.Blind || seen.sight == present {
			return seen.at(e, at.Wanted), err
		}
		e.Repeat = seen.sight != absent
	}
	send := func(channel string) error {
		if e.Root == nil {
			return n.layingOut(e, trip, func(l Layout) (err error) {
				l.Buttons = l.Buttons && !elsewhere
				at.Channel, at.Time, err = api.PostMessageContext(ctx, channel, labeled(e, written(e, Blocks(e, l)))...)
				return err
			})
		}
		message := append(labeled(e, written(e, below(e))), slackapi.MsgOptionTS(e.Root.Time))
		if e.Reason != alerting.Drifted && e.Reason != alerting.Answered { // an answer that has changed is for everybody in the channel to see
			message = append(message, slackapi.MsgOptionBroadcast())
		}
		at.Channel, at.Time, err = api.PostMessageContext(ctx, channel, message...)
		return err
	}
	err = send(channel)
	var refused slackapi.SlackErrorResponse
	if e.Root != nil && errors.As(err, &refused) && remedies[refused.Err] == "" { // the thread, it seems: it was deleted, or locked
		if e.Reason == alerting.Answered {
			return *e.Root, nil
		}
		e.Root = nil
		err = send(at.Wanted)
	}
	switch {
	case err == nil && at.Time == "":
		return alerting.Posted{}, &alerting.SendError{Remedy: alerting.Reconcile, Err: fmt.Errorf("slack: accepted without a timestamp: %s", trip.Said())}
	case e.Root != nil: // the case is where it began
		at = *e.Root
	case at.Channel == "": // it cannot be found again
		at = alerting.Posted{}
	default:
		at = shows(at, e)
	}
	if err = classify(err, trip); err == nil && at.Time != "" && e.Root == nil && n.chartless.Load() && !e.Plain {
		n.upload(ctx, api, e, at)
	}
	return at, err
}

// shows returns p, where the message of e is, with the decision that can be answered there.
func shows(p alerting.Posted, e alerting.Event) alerting.Posted {
	if e.Reason != alerting.Drifted {
		p.Decision = e.Report.Decision.ID
	}
	return p
}

// api returns a client of Slack's API, and the transport of its requests.
func (n *Notifier) api(token string, options ...slackapi.Option) (*slackapi.Client, *post.Trip) {
	trip := &post.Trip{Next: n.client.Transport}
	client := *n.client
	client.Transport = trip
	options = append(options, slackapi.OptionHTTPClient(&client))
	if n.settings.APIURL != "" {
		options = append(options, slackapi.OptionAPIURL(strings.TrimSuffix(n.settings.APIURL, "/")+"/"))
	}
	return slackapi.New(token, options...), trip
}

// written returns the text of e, and blocks if they are wanted.
func written(e alerting.Event, blocks []slackapi.Block) []slackapi.MsgOption {
	message := []slackapi.MsgOption{
		slackapi.MsgOptionText(Text(e), false), slackapi.MsgOptionDisableLinkUnfurl(), slackapi.MsgOptionDisableMediaUnfurl(), slackapi.MsgOptionParse(false),
	}
	if !e.Plain {
		message = append(message, slackapi.MsgOptionBlocks(blocks...))
	}
	return message
}

// Layout returns what messages show beside text.
func (n *Notifier) Layout() Layout {
	return Layout{Buttons: n.Listens(), Charts: !n.chartless.Load()}
}

// goneCodes are the refusals to change a message that is not there any more, or where nobody is to be told of it.
var goneCodes = strings.Fields("message_not_found channel_not_found thread_not_found is_archived channel_is_archived is_inactive not_in_channel")

// update brings the message that the case of e began with up to date, and returns where it is and what it shows; nil when it is there no more.
// It may be done any number of times. A Slack that lets it be changed no more leaves it as it is; the error is of one that does not answer now.
func (n *Notifier) update(ctx context.Context, api *slackapi.Client, trip *post.Trip, e alerting.Event) (*alerting.Posted, error) {
	if e.Reason == alerting.Drifted || e.Blind { // a drift changes no answer
		return e.Root, nil
	}
	e.Repeat = false // of the answer in the thread
	err := n.layingOut(e, trip, func(l Layout) error {
		message := written(e, Blocks(e, l))
		if e.Plain { // the blocks that it has would stay
			message = append(message, slackapi.MsgOptionBlocks([]slackapi.Block{}...))
		}
		_, _, _, err := api.UpdateMessageContext(ctx, e.Root.Channel, e.Root.Time, message...)
		return err
	})
	if err == nil {
		now := shows(*e.Root, e)
		return &now, nil
	}
	var refused slackapi.SlackErrorResponse
	if errors.As(err, &refused) {
		switch {
		case slices.Contains(goneCodes, refused.Err):
			return nil, nil
		case remedies[refused.Err] == alerting.Simplify:
			return e.Root, classify(err, trip)
		}
	}
	return e.Root, passing(err, trip, "the message that this is about could not be brought up to date")
}

func (n *Notifier) hook(ctx context.Context, e alerting.Event) error {
	address, err := post.Secret(n.settings.WebhookURLFile)
	if err != nil {
		return err
	}
	trip := &post.Trip{Next: n.client.Transport}
	client := *n.client
	client.Transport = trip
	off := false
	err = n.layingOut(e, trip, func(l Layout) error {
		message := &slackapi.WebhookMessage{Text: Text(e), UnfurlLinks: &off, UnfurlMedia: &off, Parse: "none"}
		if !e.Plain {
			message.Blocks = &slackapi.Blocks{BlockSet: Blocks(e, l)}
		}
		return slackapi.PostWebhookCustomHTTPContext(ctx, address, &client, message)
	})
	if err == nil && strings.TrimSpace(trip.Body) != "ok" {
		// The library takes any answer with status 200 for success.
		return &alerting.SendError{Remedy: alerting.Reconcile, Err: fmt.Errorf("slack webhook: status 200, but the answer is not ok: %s", trip.Said())}
	}
	return classify(err, trip)
}

// remedies sorts Slack's error codes: those that docs.slack.dev lists for the methods that are called here, and those of webhooks. One that is
// not among them is for a person as well, but of an answer in a thread: that of a thread which takes none is taken for it.
var remedies = func() map[string]alerting.Remedy {
	m := map[string]alerting.Remedy{}
	for remedy, codes := range map[alerting.Remedy]string{
		alerting.Retry: "rate_limited ratelimited message_limit_exceeded service_unavailable request_timeout team_added_to_org " +
			"external_channel_migrating update_failed",
		alerting.Simplify: "invalid_payload invalid_blocks invalid_blocks_format msg_blocks_too_long msg_too_long no_text too_many_attachments " +
			"metadata_too_large invalid_metadata_format invalid_metadata_schema metadata_must_be_sent_from_app attachment_payload_limit_exceeded " +
			"invalid_attachments block_mismatch markdown_text_conflict invalid_arg_name invalid_array_arg invalid_charset invalid_form_data " +
			"invalid_post_type missing_post_type",
		alerting.FixSettings: "action_prohibited invalid_token posting_to_general_channel_denied restricted_action restricted_action_read_only_channel " +
			"restricted_action_thread_only_channel ekm_access_denied channel_not_found no_service no_team user_not_found channel_is_archived " +
			"is_archived not_in_channel no_permission invalid_auth not_authed token_revoked token_expired account_inactive access_denied " +
			"missing_scope org_login_required two_factor_setup_required accesslimited app_access_restricted as_user_not_supported deprecated_endpoint " +
			"enterprise_is_restricted forbidden_team insecure_request is_bot is_inactive messages_tab_disabled method_deprecated missing_args " +
			"not_allowed_token_type posting_to_channel_denied send_on_behalf_not_allowed team_not_found unknown_method",
	} {
		for code := range strings.FieldsSeq(codes) {
			m[code] = remedy
		}
	}
	return m
}()

// doubtful are the refusals after which the message may be there all the same.
var doubtful = []string{"internal_error", "fatal_error"}

// asked is classify for a request that doubles nothing when it is made again.
func asked(err error, trip *post.Trip) error {
	out := classify(err, trip)
	var failed *alerting.SendError
	if errors.As(out, &failed) && failed.Remedy == alerting.Reconcile {
		failed.Remedy = alerting.Retry
	}
	return out
}

// classify says what helps against err, and takes every secret out of it.
func classify(err error, trip *post.Trip) error {
	if err == nil {
		return nil
	}
	out := &alerting.SendError{Remedy: alerting.Reconcile, Err: fmt.Errorf("slack: %s", trip.Text(err))}
	code := strings.TrimSpace(trip.Body)
	var refused slackapi.SlackErrorResponse
	if errors.As(err, &refused) {
		code = refused.Err
	}
	var limited *slackapi.RateLimitedError
	known, sorted := remedies[code]
	unknown := refused.Err != "" && !slices.Contains(doubtful, refused.Err) // it says itself that nothing was posted
	switch {
	case errors.As(err, &limited), trip.Status == http.StatusTooManyRequests:
		out.Remedy, out.After = alerting.Retry, trip.RetryAfter(post.UnaskedWait)
	case sorted:
		out.Remedy = known
	case trip.Status >= 500:
		out.After = trip.RetryAfter(0)
	case unknown:
		out.Remedy = alerting.FixSettings
	case trip.Status == http.StatusForbidden, trip.Status == http.StatusNotFound, trip.Status == http.StatusGone, trip.Status == http.StatusUnauthorized:
		out.Remedy = alerting.FixSettings
	case trip.Status >= 400:
		out.Remedy = alerting.Simplify
	case trip.Status >= 300:
		out.Remedy = alerting.FixSettings
	case trip.NeverArrived(err):
		out.Remedy = alerting.Retry
	}
	return out
}
