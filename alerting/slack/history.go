package slack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	slackapi "github.com/slack-go/slack"

	"tipline/alerting"
	"tipline/alerting/post"
)

// What a message of tipline's carries beside its text, by which it is found again. The workspace may see it.
const (
	eventType = "tipline_alert"
	eventID   = "id"
)

// How far back a message is looked for, and for how long: it was sent a few attempts ago, so it is among the newest of its channel. A page
// is small enough to be read whole where messages are long.
const (
	historyPages = 20
	historyLimit = 50  // messages of a page
	channelPages = 50  // of the list in which the id of a channel is looked up
	channelLimit = 200 // channels of a page
	lookTimeout  = 20 * time.Second
)

// unaskable are the refusals of a Slack that does not let itself be asked, or a message be changed, now and later. Every other one may pass
// by itself.
var unaskable = strings.Fields("cant_update_message edit_window_closed cant_broadcast_message no_dual_broadcast_content_update streaming_state_conflict " +
	"missing_scope no_permission not_allowed_token_type not_in_channel channel_not_found channel_is_limited_access unknown_method method_deprecated " +
	"deprecated_endpoint method_not_supported_for_channel_type access_denied team_access_not_granted team_not_found ekm_access_denied accesslimited " +
	"enterprise_is_restricted is_bot org_login_required two_factor_setup_required as_user_not_supported posting_to_channel_denied " +
	"invalid_auth not_authed token_revoked token_expired account_inactive " +
	"invalid_cursor invalid_limit invalid_types invalid_ts_latest invalid_ts_oldest invalid_metadata_filter_keys missing_argument " +
	"invalid_arg_name invalid_array_arg invalid_charset invalid_form_data invalid_post_type missing_post_type")

// channelID matches the id of a channel, which Slack wants in the place of its name where a history is read.
var channelID = regexp.MustCompile(`^[CDG][A-Z0-9]{8,}$`)

// unseen is what an error of a look says.
const unseen = "whether the message arrived before could not be seen"

// sight is what a look into a channel's history says of a message.
type sight int

const (
	unclear sight = iota // the history may not be read, or is too long to say
	absent
	present
)

// labeled returns message with what marks it as that of e; plain text, which is sent when Slack refused more, has no mark.
func labeled(e alerting.Event, message []slackapi.MsgOption) []slackapi.MsgOption {
	if e.Plain {
		return message
	}
	return append(message, slackapi.MsgOptionMetadata(slackapi.SlackMetadata{EventType: eventType, EventPayload: map[string]any{eventID: e.ID}}))
}

// seen is what a look found, and where.
type seen struct {
	sight   sight
	channel string
	time    string
}

// at returns where the case of e began: where it did before, or with the message that was found.
func (s seen) at(e alerting.Event, wanted string) alerting.Posted {
	switch {
	case s.sight != present:
		return alerting.Posted{}
	case e.Root != nil:
		return *e.Root
	}
	return shows(alerting.Posted{Wanted: wanted, Channel: s.channel, Time: s.time}, e)
}

// page returns messages of a channel, the newest first, or of the thread of a case, and where the next page begins.
func page(ctx context.Context, api *slackapi.Client, channel, cursor string, root *alerting.Posted) ([]slackapi.Message, string, error) {
	if root != nil {
		replies := slackapi.GetConversationRepliesParameters{
			ChannelID: channel, Timestamp: root.Time, Cursor: cursor, Limit: historyLimit, IncludeAllMetadata: true,
		}
		messages, _, next, err := api.GetConversationRepliesContext(ctx, &replies)
		return messages, next, err
	}
	of := slackapi.GetConversationHistoryParameters{ChannelID: channel, Cursor: cursor, Limit: historyLimit, IncludeAllMetadata: true}
	history, err := api.GetConversationHistoryContext(ctx, &of)
	if err != nil {
		return nil, "", err
	}
	return history.Messages, history.ResponseMetaData.NextCursor, nil
}

// look says whether the message of e is in channel, or in the thread of its case. The error, a *alerting.SendError, is of a Slack that does not answer now: nothing is
// known then, and nothing is to be sent. One that will not tell, for want of a scope or because it is another receiver, leaves it unclear.
func look(ctx context.Context, api *slackapi.Client, trip *post.Trip, channel string, e alerting.Event) (seen, error) {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	id, err := lookUp(ctx, api, channel)
	if id == "" || err != nil {
		return seen{}, passing(err, trip, unseen)
	}
	cursor := ""
	for range historyPages {
		messages, next, err := page(ctx, api, id, cursor, e.Root)
		if err != nil {
			return seen{}, passing(err, trip, unseen)
		}
		for _, m := range messages {
			if m.Metadata.EventType == eventType && m.Metadata.EventPayload[eventID] == e.ID {
				return seen{present, id, m.Timestamp}, nil
			}
		}
		if cursor = next; cursor == "" {
			return seen{sight: absent}, nil
		}
	}
	return seen{}, nil
}

// lookUp returns the id of channel, which is a name or an id; empty when no list of channels has it. The list of private channels, which
// wants a scope of its own, is asked for what is not public.
func lookUp(ctx context.Context, api *slackapi.Client, channel string) (string, error) {
	if channelID.MatchString(channel) {
		return channel, nil
	}
	name := strings.TrimPrefix(channel, "#")
	for _, kind := range []string{"public_channel", "private_channel"} {
		page := slackapi.GetConversationsParameters{ExcludeArchived: true, Limit: channelLimit, Types: []string{kind}}
		for range channelPages {
			channels, next, err := api.GetConversationsContext(ctx, &page)
			if err != nil {
				return "", err
			}
			for _, c := range channels {
				if c.Name == name {
					return c.ID, nil
				}
			}
			if next == "" {
				break
			}
			page.Cursor = next
		}
	}
	return "", nil
}

// passing returns err, because of which what it says, as one that may pass by itself: a limit, a failing server, a broken connection.
// Otherwise it is the answer of a Slack that does not let itself be asked, or of a receiver that only speaks like it, and nil. It never
// quotes the answer, which holds the messages of other people.
func passing(err error, trip *post.Trip, what string) error {
	var refused slackapi.SlackErrorResponse
	var limited *slackapi.RateLimitedError
	failing := trip.Status >= 500 && trip.Status != http.StatusNotImplemented
	switch {
	case err == nil:
		return nil
	case errors.As(err, &refused):
		if slices.Contains(unaskable, refused.Err) {
			return nil
		}
	case errors.As(err, &limited), trip.Status == 0, failing, trip.Status == http.StatusTooManyRequests:
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, io.ErrUnexpectedEOF): // an answer that broke off
	default: // an answer that is not one of Slack's
		return nil
	}
	out := &alerting.SendError{Remedy: alerting.Unseen}
	if trip.Status == http.StatusTooManyRequests || failing {
		out.After = trip.RetryAfter(0)
	}
	trip.Body = ""
	out.Err = fmt.Errorf("slack: %s: %s", what, trip.Text(err))
	return out
}
