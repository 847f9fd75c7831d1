//! `GetMessage`: shows staff one message and what was rendered for it.

use std::sync::Arc;

use levqor_proto_notifications::v1::{self as proto, GetMessageRequest, GetMessageResponse};
use levqor_runtime::{
    context::Ctx,
    email::Email,
    error::{Invalid, Violations},
    timestamp,
};

use crate::{
    Notifications,
    domain::{
        delivery::{Attempt, AttemptOutcome},
        message::{Message, MessageId, Outcome, State},
        report::{DeliveryOutcome, Report},
    },
    error::Error,
    store::{delivery_attempts, delivery_reports, messages},
};

pub(super) async fn get_message(
    state: Arc<Notifications>,
    _ctx: Ctx,
    request: GetMessageRequest,
) -> Result<GetMessageResponse, Error> {
    let id = parse(&request)?;
    let mut conn = state.chassis.db.acquire().await?;
    let message = messages::get(&mut conn, id).await?.ok_or(Error::MessageNotFound)?;
    let body = messages::body(&mut conn, id).await?.ok_or(Error::MessageNotFound)?;
    let attempts = delivery_attempts::of_message(&mut conn, id).await?;
    let reports = delivery_reports::of_message(&mut conn, id).await?.into_list();
    Ok(GetMessageResponse {
        message: Some(message.into()),
        text: body.text,
        html: body.html,
        delivery_attempts: attempts.into_iter().map(proto::DeliveryAttempt::from).collect(),
        delivery_reports: reports.into_iter().map(proto::DeliveryReport::from).collect(),
    })
}

fn parse(request: &GetMessageRequest) -> Result<MessageId, Invalid> {
    let mut violations = Violations::new();
    let id = violations.parse("message_id", &request.message_id, MessageId::EXPECTED);
    violations.finish(id)
}

impl From<Message> for proto::Message {
    fn from(message: Message) -> Self {
        let state = proto::message::State::from(message.state()).into();
        let mut shown = Self {
            message_id: message.id.to_string(),
            template: message.template,
            about: message.about,
            recipient: message.recipient.as_ref().map(Email::as_str).unwrap_or_default().to_owned(),
            subject: message.subject,
            state,
            create_time: Some(timestamp(message.create_time)),
            ..Self::default()
        };
        if let Some((outcome, time)) = message.delivery_outcome {
            shown.delivery_outcome = proto::DeliveryOutcome::from(outcome).into();
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
        }
        shown
    }
}

impl From<Attempt> for proto::DeliveryAttempt {
    fn from(attempt: Attempt) -> Self {
        use proto::delivery_attempt::Outcome;
        let outcome = match attempt.end {
            None => Outcome::Unspecified,
            Some((AttemptOutcome::Accepted, _)) => Outcome::Accepted,
            Some((AttemptOutcome::Refused, _)) => Outcome::Refused,
            Some((AttemptOutcome::NotAccepted, _)) => Outcome::NotAccepted,
            Some((AttemptOutcome::Ambiguous, _)) => Outcome::Ambiguous,
        };
        Self {
            delivery_attempt_id: attempt.id.to_string(),
            provider: attempt.provider,
            idempotency_key: attempt.idempotency_key,
            begin_time: Some(timestamp(attempt.begin_time)),
            end_time: attempt.end.map(|(_, time)| timestamp(time)),
            outcome: outcome.into(),
            detail: attempt.detail,
        }
    }
}

impl From<Report> for proto::DeliveryReport {
    fn from(report: Report) -> Self {
        Self {
            outcome: proto::DeliveryOutcome::from(report.outcome).into(),
            report_time: Some(timestamp(report.time)),
            detail: report.detail,
        }
    }
}

impl From<DeliveryOutcome> for proto::DeliveryOutcome {
    fn from(outcome: DeliveryOutcome) -> Self {
        match outcome {
            DeliveryOutcome::Delayed => Self::Delayed,
            DeliveryOutcome::Delivered => Self::Delivered,
            DeliveryOutcome::Failed => Self::Failed,
            DeliveryOutcome::BouncedSoft => Self::BouncedSoft,
            DeliveryOutcome::Suppressed => Self::Suppressed,
            DeliveryOutcome::BouncedHard => Self::BouncedHard,
            DeliveryOutcome::Complained => Self::Complained,
        }
    }
}

impl From<State> for proto::message::State {
    fn from(state: State) -> Self {
        match state {
            State::Pending => Self::Pending,
            State::Sent => Self::Sent,
            State::Failed => Self::Failed,
            State::InDoubt => Self::InDoubt,
        }
    }
}
