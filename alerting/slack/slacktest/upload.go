package slacktest

import (
	"bytes"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// uploadPath is where files are put.
const uploadPath = "/upload/"

// Upload is a file that the server took and shared.
type Upload struct {
	Name    string
	Data    []byte
	Channel string
	Thread  string // of the message that it is below

	length int
	put    bool
}

// Uploads returns what was uploaded and shared, in order.
func (s *Server) Uploads() []Upload {
	s.mu.Lock()
	defer s.mu.Unlock()
	var shared []Upload
	for _, u := range s.uploads {
		if u.Channel != "" {
			shared = append(shared, u)
		}
	}
	return shared
}

// Asked returns how many requests to share a file arrived, beside those with its bytes.
func (s *Server) Asked() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

// upload answers the three steps by which a file is shared; the token needs the scope files:write.
func (s *Server) upload(method string, r *http.Request, body []byte) Answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	if number, found := strings.CutPrefix(r.URL.Path, uploadPath); found {
		i, err := strconv.Atoi(number)
		_, form, formErr := mime.ParseMediaType(r.Header.Get("Content-Type"))
		if err != nil || formErr != nil || i < 0 || i >= len(s.uploads) {
			return Answer{Status: http.StatusBadRequest}
		}
		part, err := multipart.NewReader(bytes.NewReader(body), form["boundary"]).NextPart()
		if err != nil {
			return Answer{Status: http.StatusBadRequest}
		}
		data, err := io.ReadAll(part)
		if err != nil || len(data) != s.uploads[i].length {
			return Answer{Status: http.StatusBadRequest}
		}
		s.uploads[i].Data, s.uploads[i].put = data, true
		return Answer{Body: "OK - " + strconv.Itoa(len(data))}
	}
	form, err := url.ParseQuery(string(body))
	if err != nil || bearer(r, form) != Token {
		return Error("invalid_auth")
	}
	s.asked++
	if !slices.Contains(s.scopes, "files:write") {
		return Error("missing_scope")
	}
	if method == "files.getUploadURLExternal" {
		length, err := strconv.Atoi(form.Get("length"))
		if err != nil {
			return Error("missing_argument")
		}
		s.uploads = append(s.uploads, Upload{Name: form.Get("filename"), length: length})
		n := strconv.Itoa(len(s.uploads) - 1)
		return Answer{Body: encode(map[string]any{"ok": true, "upload_url": s.URL + uploadPath + n, "file_id": "F" + n})}
	}
	for i := range s.uploads {
		if id := "F" + strconv.Itoa(i); s.uploads[i].put && strings.Contains(form.Get("files"), strconv.Quote(id)) {
			s.uploads[i].Channel, s.uploads[i].Thread = form.Get("channel_id"), form.Get("thread_ts")
			return Answer{Body: encode(map[string]any{"ok": true, "files": []any{map[string]any{"id": id}}})}
		}
	}
	return Error("file_not_found")
}
