//! A mail in the form of RFC 5322, as an SMTP server takes it.

use lettre::{
    Address, Message,
    address::Envelope,
    message::{
        Mailbox, MultiPart,
        header::{HeaderName, HeaderValue},
    },
};

use crate::domain::{message::Mail, sender::Sender};

/// No mail can be made of a message.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoMime {
    /// The sender is not valid.
    #[error("the sender is not valid")]
    Sender,
    /// The address is not one that SMTP can carry.
    #[error("an address is not valid")]
    Address(#[from] lettre::address::AddressError),
    /// A header is not valid.
    #[error("a header is not valid")]
    Header,
    /// No mail can be built from the parts.
    #[error("no mail can be built from the parts")]
    Parts(#[from] lettre::error::Error),
}

/// Composes a mail: the envelope, the bytes, and the `Message-ID` without its brackets. The id is made from the idempotency key, so
/// every attempt of one round has the same, and a recipient's server or reader may recognise a second copy.
pub(super) fn compose(mail: &Mail) -> Result<(Envelope, Vec<u8>, String), NoMime> {
    let sender: Sender = mail.sender.parse().map_err(|_| NoMime::Sender)?;
    let mailbox = |text: &str| Ok::<_, NoMime>(Mailbox::new(None, text.parse::<Address>()?));
    let from_address: Address = sender.address.as_str().parse()?;
    let id = format!("{}@{}", mail.key.replace('/', "."), from_address.domain());
    let name = sender.name.map(|name| name.to_string());
    let mut builder = Message::builder()
        .from(Mailbox::new(name, from_address.clone()))
        .to(mailbox(mail.recipient.as_str())?)
        .subject(mail.subject.clone())
        .message_id(Some(format!("<{id}>")));
    if let Some(reply_to) = &mail.reply_to {
        builder = builder.reply_to(mailbox(reply_to.as_str())?);
    }
    let mut message =
        builder.multipart(MultiPart::alternative_plain_html(mail.text.clone(), mail.html.clone()))?;
    for (name, value) in mail.headers.iter() {
        let name = HeaderName::new_from_ascii(name.to_owned()).map_err(|_| NoMime::Header)?;
        message.headers_mut().insert_raw(HeaderValue::new(name, value.to_owned()));
    }
    let envelope = Envelope::new(Some(from_address), vec![mail.recipient.as_str().parse()?])?;
    Ok((envelope, message.formatted(), id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{header::Headers, message::MessageId};

    fn mail() -> Mail {
        let id: MessageId = "0190b2c4-0000-7000-8000-000000000000".parse().expect("an id");
        Mail {
            message_id: id,
            round: 2,
            key: format!("{id}/2"),
            sender: "Levqor Orders <orders@levqor.ai>".to_owned(),
            reply_to: Some("support@levqor.ai".parse().expect("an address")),
            recipient: "ada@example.com".parse().expect("an address"),
            subject: "Grüße 🎉".to_owned(),
            headers: Headers::default()
                .with("List-Unsubscribe-Post", "List-Unsubscribe=One-Click")
                .unwrap_or_else(|_| panic!("a header")),
            text: "Grüße\n.\nfrom a line with a dot".to_owned(),
            html: "<p>Grüße</p>".to_owned(),
        }
    }

    #[test]
    fn a_mail_is_ascii_on_the_wire_and_has_the_same_id_in_every_attempt() {
        let (envelope, bytes, id) = compose(&mail()).expect("a mail");
        assert_eq!(id, "0190b2c4-0000-7000-8000-000000000000.2@levqor.ai");
        assert_eq!(envelope.from().map(ToString::to_string).as_deref(), Some("orders@levqor.ai"));
        let text = String::from_utf8(bytes).expect("ASCII");
        assert!(text.is_ascii());
        for line in [
            "From: \"Levqor Orders\" <orders@levqor.ai>",
            "To: ada@example.com",
            "Reply-To: support@levqor.ai",
            "Message-ID: <0190b2c4-0000-7000-8000-000000000000.2@levqor.ai>",
            "List-Unsubscribe-Post: List-Unsubscribe=One-Click",
            "MIME-Version: 1.0",
        ] {
            assert!(text.lines().any(|other| other == line), "{line}\n{text}");
        }
        assert!(text.contains("Date: ") && text.contains("multipart/alternative"), "{text}");
        let (_, _, again) = compose(&mail()).expect("a mail");
        assert_eq!(again, id);
    }

    #[test]
    fn nothing_in_a_mail_begins_a_header() {
        let broken = Mail { subject: "Hello\r\nBcc: eve@example.com".to_owned(), ..mail() };
        if let Ok((_, bytes, _)) = compose(&broken) {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            assert!(!text.lines().any(|line| line.starts_with("Bcc")), "{text}");
        }
    }
}
