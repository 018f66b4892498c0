package slack

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"

	slackapi "github.com/slack-go/slack"

	"tipline/alerting"
	"tipline/alerting/chart"
)

// noUploads are the refusals to take a file, now and later.
var noUploads = strings.Fields("missing_scope no_permission not_allowed_token_type access_denied accesslimited ekm_access_denied enterprise_is_restricted " +
	"file_type_not_allowed file_uploads_disabled method_deprecated deprecated_endpoint unknown_method posting_to_channel_denied")

// upload puts a picture of the chart of e into the thread below its message at, where the workspace takes no charts. The message is complete
// without: what goes wrong is let be, and a token that may not upload is not tried again until the settings change.
func (n *Notifier) upload(ctx context.Context, api *slackapi.Client, e alerting.Event, at alerting.Posted) {
	c := chart.Of(e)
	if c == nil || n.settings.Draw == nil || n.pictureless.Load() {
		return
	}
	defer func() { _ = recover() }() // a panic would send the message once more, in plain text
	var picture bytes.Buffer
	if n.settings.Draw(&picture, c) != nil {
		return
	}
	_, err := api.UploadFileContext(ctx, slackapi.UploadFileParameters{
		Reader: &picture, FileSize: picture.Len(), Filename: "chart.png", Title: c.Title, AltTxt: c.Alt,
		Channel: at.Channel, ThreadTimestamp: at.Time,
	})
	var refused slackapi.SlackErrorResponse
	if errors.As(err, &refused) && slices.Contains(noUploads, refused.Err) {
		n.pictureless.Store(true)
	}
}
