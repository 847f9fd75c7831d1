//! `FetchInboundMail`: fetches one received mail from the provider, and defers its ingestion by support. This service calls it;
//! `ApplyProviderEvent` defers the call. It works without a key, because the state of the mail says whether support has it.

use levqor_proto_inbound::v1::{InboundAttachment, InboundHeader, IngestInboundMailRequest};
use levqor_proto_notifications::v1::{FetchInboundMailRequest, FetchInboundMailResponse};
use levqor_runtime::{context::Ctx, deferred::defer, email::Email, request, timestamp};

use crate::{
    Notifications,
    domain::{
        inbound_mail::{self, InboundMailId, InboundState, ReadText},
        sender::Sender,
    },
    error::Error,
    operators,
    provider::{
        Trouble,
        resend::{NotReceived, ReceivedMail, Resend},
    },
    store::inbound_mails::{self, InboundMail},
};

/// The most files of a mail that support gets to know of.
const MOST_FILES: usize = 100;

pub(super) async fn fetch_inbound_mail(
    notifications: &Notifications,
    _: Ctx,
    request: FetchInboundMailRequest,
) -> Result<FetchInboundMailResponse, Error> {
    let id = request::id("inbound_mail_id", &request.inbound_mail_id)?;
    let mut conn = notifications.chassis.db.acquire().await?;
    let mail = inbound_mails::get(&mut conn, id).await?.ok_or(Error::InboundMailNotFound)?;
    drop(conn);
    if mail.state != InboundState::Announced {
        return Ok(FetchInboundMailResponse { forwarded: false });
    }
    let ingest = match fetch(notifications, id, &mail).await {
        Ok(ingest) => Some(ingest),
        Err(NotReceived::Gone) => None,
        Err(NotReceived::NotNow(trouble)) => return Err(Error::ProviderUnavailable(trouble)),
    };
    let mut tx = notifications.chassis.db.begin().await?;
    let state = if ingest.is_some() { InboundState::Forwarded } else { InboundState::Gone };
    let settled = inbound_mails::settle(&mut tx, id, state).await?;
    match &ingest {
        Some(ingest) if settled => defer(&mut tx, ingest, format!("inbound-mail:{id}")).await?,
        None if settled => {
            tracing::warn!("a received mail is gone or too large: support does not get it");
            operators::inbound::not_fetched(&mut tx, id).await?;
        }
        Some(_) | None => {}
    }
    tx.commit().await?;
    Ok(FetchInboundMailResponse { forwarded: settled && ingest.is_some() })
}

/// Resend, which receives our mail.
pub(super) fn receiver(notifications: &Notifications) -> Result<&Resend, NotReceived> {
    let resend = notifications.providers.resend().map(|(_, resend)| resend);
    resend.ok_or_else(|| NotReceived::NotNow(Trouble::new("RESEND_API_KEY is not set".to_owned())))
}

async fn fetch(
    notifications: &Notifications,
    id: InboundMailId,
    stored: &InboundMail,
) -> Result<IngestInboundMailRequest, NotReceived> {
    let resend = receiver(notifications)?;
    let mail = resend.received(&stored.provider_mail_id).await?;
    let files =
        if mail.has_attachments() { resend.attachments(&stored.provider_mail_id).await? } else { Vec::new() };
    let read = match inbound_mail::text(mail.text.as_deref(), mail.html.as_deref()) {
        Some(text) => Some(ReadText { text, is_cut: false }),
        None => resend.raw(&mail).await.and_then(|raw| inbound_mail::text_of_raw(&raw)),
    };
    let attachments = files.into_iter().take(MOST_FILES).map(|file| InboundAttachment {
        attachment_id: file.id,
        name: inbound_mail::subject(&file.filename.unwrap_or_default()),
        size_bytes: file.size.unwrap_or_default(),
    });
    Ok(IngestInboundMailRequest {
        inbound_mail_id: id.to_string(),
        from: inbound_mail::subject(&mail.from),
        recipients: ours(notifications, &mail),
        subject: inbound_mail::subject(mail.subject.as_deref().unwrap_or_default()),
        text_is_cut: read.as_ref().is_some_and(|read| read.is_cut),
        text: read.map(|read| read.text).unwrap_or_default(),
        headers: headers(&mail),
        attachments: attachments.collect(),
        receive_time: Some(timestamp(stored.receive_time)),
    })
}

/// The addresses of ours that a mail came to.
fn ours(notifications: &Notifications, mail: &ReceivedMail) -> Vec<String> {
    let more = [&mail.cc, &mail.bcc, &mail.received_for];
    let all = mail.to.iter().chain(more.into_iter().flatten().flatten());
    let own = all.filter_map(|text| own_address(notifications, text));
    own.map(|address| address.as_str().to_owned()).collect()
}

/// The address, if it is one of the inbound domain.
pub(super) fn own_address(notifications: &Notifications, text: &str) -> Option<Email> {
    let domain = notifications.config.inbound_domain.as_ref()?;
    let in_brackets =
        text.rsplit_once('<').and_then(|(_, rest)| rest.split_once('>')).map(|(address, _)| address);
    let address = match in_brackets {
        Some(address) => address.parse().ok()?,
        None => text.parse::<Sender>().ok()?.address,
    };
    domain.local_part(&address)?;
    Some(address)
}

fn headers(mail: &ReceivedMail) -> Vec<InboundHeader> {
    let mut headers = Vec::new();
    for (name, value) in mail.headers.iter().flatten() {
        let name = name.to_ascii_lowercase();
        if !inbound_mail::is_judged(&name) {
            continue;
        }
        let values: Vec<_> = match value {
            serde_json::Value::Array(values) => values.iter().filter_map(|value| value.as_str()).collect(),
            value => value.as_str().into_iter().collect(),
        };
        for value in values {
            headers.push(InboundHeader { name: name.clone(), value: inbound_mail::header_value(value) });
        }
    }
    headers
}
