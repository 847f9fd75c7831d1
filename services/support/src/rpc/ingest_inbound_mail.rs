//! `IngestInboundMail`: takes a received mail from notifications into its ticket, once. It works without a key, because the id of the
//! mail says whether it was ingested.

use levqor_proto_inbound::v1::{IngestInboundMailRequest, IngestInboundMailResponse};
use levqor_runtime::{
    context::Ctx,
    error::{Invalid, Violations},
};

use crate::{
    Support,
    domain::inbound::address_of,
    error::Error,
    inbound::{self, Mail},
    screening,
    store::inbound_mails,
};

pub(super) async fn ingest_inbound_mail(
    support: &Support,
    ctx: Ctx,
    request: IngestInboundMailRequest,
) -> Result<IngestInboundMailResponse, Error> {
    let mail = Mail::try_from(&request)?;
    let text = inbound::new_part(support, &mail);
    let screened = screening::screen(support, &ctx, "ticket", &text).await;
    let mut tx = support.chassis.db.begin().await?;
    if let Some(verdict) = inbound_mails::verdict(&mut tx, mail.id).await? {
        return Ok(IngestInboundMailResponse { verdict: verdict.into(), duplicate: true });
    }
    let verdict = inbound::ingest(support, &mut tx, &mail, &text, &screened).await?;
    let metrics = support.metrics.clone();
    tx.after_commit(move || metrics.inbound_mail(verdict));
    tx.commit().await?;
    Ok(IngestInboundMailResponse { verdict: verdict.into(), duplicate: false })
}

impl TryFrom<&IngestInboundMailRequest> for Mail {
    type Error = Invalid;

    /// Only the id must be sound: a mail may have anything else in it.
    fn try_from(request: &IngestInboundMailRequest) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let id = violations.field("inbound_mail_id", &request.inbound_mail_id);
        let headers = request.headers.iter().map(|header| (header.name.clone(), header.value.clone()));
        let files = request.attachments.iter();
        violations.finish(id.map(|id| Self {
            id,
            from: address_of(&request.from),
            recipients: request.recipients.iter().filter_map(|address| address.parse().ok()).collect(),
            subject: request.subject.clone(),
            text: request.text.clone(),
            text_is_cut: request.text_is_cut,
            headers: headers.collect(),
            files:
                files.map(|file| (file.attachment_id.clone(), file.name.clone(), file.size_bytes)).collect(),
        }))
    }
}
