//! `GetMessage`: shows staff one message and its rendered parts.

use levqor_proto_notifications::v1::{self as wire, GetMessageRequest, GetMessageResponse};
use levqor_runtime::{context::Ctx, email::Email, request::id, timestamp};

use crate::{
    Notifications,
    domain::{
        delivery::Attempt,
        message::{Message, Outcome},
        report::Report,
    },
    error::Error,
    store::{delivery_attempts, delivery_reports, messages},
};

pub(super) async fn get_message(
    notifications: &Notifications,
    _: Ctx,
    request: GetMessageRequest,
) -> Result<GetMessageResponse, Error> {
    let message_id = id("message_id", &request.message_id)?;
    let mut conn = notifications.chassis.db.acquire().await?;
    let message = messages::get(&mut conn, message_id).await?.ok_or(Error::MessageNotFound)?;
    let body = messages::body(&mut conn, message_id).await?.ok_or(Error::MessageNotFound)?;
    let attempts = delivery_attempts::of_message(&mut conn, message_id).await?;
    let reports = delivery_reports::of_message(&mut conn, message_id).await?.into_list();
    Ok(GetMessageResponse {
        message: Some(message.into()),
        text: body.text,
        html: body.html,
        delivery_attempts: attempts.into_iter().map(Into::into).collect(),
        delivery_reports: reports.into_iter().map(Into::into).collect(),
    })
}

impl From<Message> for wire::Message {
    fn from(message: Message) -> Self {
        let state = message.state().into();
        let mut shown = Self {
            message_id: message.id.to_string(),
            template: message.template,
            about: message.about,
            recipient: message.recipient.as_ref().map(Email::as_str).unwrap_or_default().to_owned(),
            subject: message.subject,
            state,
            create_time: Some(timestamp(message.create_time)),
            requested_by: message.requested_by,
            guard_subject: message.guard.map(|guard| guard.subject).unwrap_or_default(),
            ..Self::default()
        };
        if let Some((outcome, time)) = message.delivery_outcome {
            shown.delivery_outcome = outcome.into();
            shown.delivery_outcome_time = Some(timestamp(time));
        }
        match message.outcome {
            None => {}
            Some(Outcome::Sent { receipt, send_time }) => {
                shown.provider = receipt.provider;
                shown.provider_message_id = receipt.provider_message_id;
                shown.send_time = Some(timestamp(send_time));
            }
            Some(Outcome::Failed { failure }) => shown.failure = failure,
            Some(Outcome::InDoubt { doubt }) => shown.doubt = doubt,
            Some(Outcome::Suppressed { reason }) => shown.suppression = reason.into(),
            Some(Outcome::Cancelled { reason }) => shown.cancellation = reason,
        }
        shown
    }
}

impl From<Attempt> for wire::DeliveryAttempt {
    fn from(attempt: Attempt) -> Self {
        Self {
            delivery_attempt_id: attempt.id.to_string(),
            provider: attempt.provider,
            idempotency_key: attempt.idempotency_key,
            begin_time: Some(timestamp(attempt.begin_time)),
            end_time: attempt.end.map(|(_, time)| timestamp(time)),
            outcome: attempt.end.map(|(outcome, _)| outcome.into()).unwrap_or_default(),
            detail: attempt.detail,
        }
    }
}

impl From<Report> for wire::DeliveryReport {
    fn from(report: Report) -> Self {
        Self {
            outcome: report.outcome.into(),
            report_time: Some(timestamp(report.time)),
            detail: report.detail,
            reply_class: report.class.map(Into::into).unwrap_or_default(),
        }
    }
}
