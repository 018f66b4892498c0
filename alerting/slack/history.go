package slack

import (
	"context"
	"errors"
	"net/http"
	"regexp"
	"strings"

	slackapi "github.com/slack-go/slack"

	"tipline/alerting"
	"tipline/alerting/post"
)

// What a message of tipline's carries beside its text, by which it is found again. The workspace may see it.
const (
	eventType = "tipline_alert"
	eventID   = "id"
)

// How far back a message is looked for: it was sent a few attempts ago, so it is among the newest of its channel.
const (
	historyPages = 5
	historyLimit = 200  // messages of a page
	channelPages = 10   // of the list in which the id of a channel is looked up
	channelLimit = 1000 // channels of a page
)

// channelID matches the id of a channel, which Slack wants in the place of its name where a history is read.
var channelID = regexp.MustCompile(`^[CDG][A-Z0-9]{8,}$`)

// sight is what a look into a channel's history says of a message.
type sight int

const (
	unclear sight = iota // the history may not be read, or is too long to say
	absent
	present
)

// labeled returns what marks the message of e.
func labeled(e alerting.Event) slackapi.MsgOption {
	return slackapi.MsgOptionMetadata(slackapi.SlackMetadata{EventType: eventType, EventPayload: map[string]any{eventID: e.ID}})
}

// look says whether the message of e is in channel. The error, a *alerting.SendError, is of a Slack that does not answer now: nothing is
// known then, and nothing is to be sent. One that will not tell, for want of a scope or because it is another receiver, leaves it unclear.
func look(ctx context.Context, api *slackapi.Client, trip *post.Trip, channel string, e alerting.Event) (sight, error) {
	id, err := lookUp(ctx, api, channel)
	if id == "" || err != nil {
		return unclear, passing(err, trip)
	}
	page := slackapi.GetConversationHistoryParameters{ChannelID: id, Limit: historyLimit, IncludeAllMetadata: true}
	for range historyPages {
		history, err := api.GetConversationHistoryContext(ctx, &page)
		if err != nil {
			return unclear, passing(err, trip)
		}
		for _, m := range history.Messages {
			if m.Metadata.EventType == eventType && m.Metadata.EventPayload[eventID] == e.ID {
				return present, nil
			}
		}
		page.Cursor = history.ResponseMetaData.NextCursor
		if page.Cursor == "" {
			return absent, nil
		}
	}
	return unclear, nil
}

// lookUp returns the id of channel, which is a name or an id; empty when the list of channels does not have it.
func lookUp(ctx context.Context, api *slackapi.Client, channel string) (string, error) {
	if channelID.MatchString(channel) {
		return channel, nil
	}
	name := strings.TrimPrefix(channel, "#")
	page := slackapi.GetConversationsParameters{ExcludeArchived: true, Limit: channelLimit, Types: []string{"public_channel", "private_channel"}}
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
	return "", nil
}

// passing returns err as one to try again after when it may pass by itself: a limit, a failing server, a broken connection. Otherwise it is
// the answer of a Slack that does not let itself be asked, and nil.
func passing(err error, trip *post.Trip) error {
	if err == nil {
		return nil
	}
	var failure *alerting.SendError
	errors.As(classify(err, trip), &failure)
	var refused slackapi.SlackErrorResponse
	switch {
	case errors.As(err, &refused) && remedies[refused.Err] != alerting.Retry, trip.Status >= 300 && trip.Status < 500 && trip.Status != http.StatusTooManyRequests:
		return nil
	}
	failure.Remedy = alerting.Retry
	return failure
}
