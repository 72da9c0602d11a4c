package api

import (
	"context"
	"net/http"
	"time"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/mail"
)

type mailHead struct {
	ID      commerce.MailID `json:"id"`
	To      string          `json:"to"`
	Subject string          `json:"subject"`
	Sent    time.Time       `json:"sent_at"`
}

type mailBody struct {
	ID      commerce.MailID `json:"id"`
	To      string          `json:"to"`
	Subject string          `json:"subject"`
	Sent    time.Time       `json:"sent_at"`
	Text    string          `json:"text"`
	HTML    string          `json:"html" doc:"A whole page. Show it in a frame that runs no scripts"`
}

func (a *API) registerMailbox() {
	a.translate(translation{is: mail.ErrNotThere, make: says(http.StatusNotFound, "mail_unknown", "There is no such mail, or not any more.")})
	register(a, operation{
		ID: "listMailbox", Method: http.MethodGet, Path: "/mailbox", Tag: tagMail, Codes: []string{"mailbox_off"},
		Summary: "The newest mails that would have been sent; only where the program is tried out",
	}, func(ctx context.Context, _ *struct{}) (*struct {
		Body struct {
			Mails []mailHead `json:"mails"`
		}
	}, error) {
		box, err := a.mailbox()
		if err != nil {
			return nil, err
		}
		list, err := box.List(ctx)
		if err != nil {
			return nil, err
		}
		var out struct {
			Body struct {
				Mails []mailHead `json:"mails"`
			}
		}
		out.Body.Mails = make([]mailHead, 0, len(list))
		for _, k := range list {
			out.Body.Mails = append(out.Body.Mails, mailHead{ID: k.ID, To: k.To, Subject: k.Subject, Sent: k.Sent.UTC()})
		}
		return &out, nil
	})
	register(a, operation{
		ID: "readMail", Method: http.MethodGet, Path: "/mailbox/{mail}", Tag: tagMail, Codes: []string{"mailbox_off", "mail_unknown"},
		Summary: "One of these mails",
	}, func(ctx context.Context, in *struct {
		Mail commerce.MailID `path:"mail"`
	}) (*struct{ Body mailBody }, error) {
		box, err := a.mailbox()
		if err != nil {
			return nil, err
		}
		k, err := box.Read(ctx, in.Mail)
		if err != nil {
			return nil, err
		}
		return &struct{ Body mailBody }{mailBody{ID: k.ID, To: k.To, Subject: k.Subject, Sent: k.Sent.UTC(), Text: k.Text, HTML: k.HTML}}, nil
	})
}

func (a *API) mailbox() (*mail.Mailbox, error) {
	if a.config.Mailbox == nil {
		return nil, problem(http.StatusNotFound, "mailbox_off", "Mails are not kept to be read here.")
	}
	return a.config.Mailbox, nil
}
