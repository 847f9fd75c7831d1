//! The mails to subscribers of the public status: the question whether they want them, and the news of incidents.

use levqor_proto_mail::v1::{
    IncidentPublished, IncidentResolved, SendMessageRequest, StatusOptIn, send_message_request::Content,
};
use levqor_proto_support::v1::TellStatusSubscribersRequest;
use levqor_runtime::{
    db::{DbError, Tx},
    deferred::defer,
    timestamp,
};

use crate::{
    config::Config,
    domain::{
        incident::{Incident, IncidentId, IncidentKind, IncidentState, Update, UpdateId},
        status_subscriber::{Subscriber, SubscriberId, VALID},
    },
};

/// The question whether an address wants the news.
pub(crate) async fn ask(tx: &mut Tx, config: &Config, subscriber: &Subscriber) -> Result<(), DbError> {
    let content = Content::StatusOptIn(StatusOptIn {
        confirm_link: format!("{}/status/confirm/{}", config.api, subscriber.token),
        valid: Some(prost_types::Duration { seconds: VALID.num_seconds(), nanos: 0 }),
    });
    let time = subscriber.ask_time.timestamp();
    send(tx, subscriber, format!("status:{}:{time}:{}", subscriber.id, subscriber.ask_count), content).await
}

/// The page, and the address of one click, that ends the subscription.
pub(crate) fn unsubscribe_link(config: &Config, subscriber: &Subscriber) -> String {
    format!("{}/status/unsubscribe/{}", config.api, subscriber.token)
}

/// News of a public incident for one subscriber.
pub(crate) async fn tell(
    tx: &mut Tx,
    config: &Config,
    incident: &Incident,
    update: &Update,
    subscriber: &Subscriber,
) -> Result<(), DbError> {
    let manage_link = Some(unsubscribe_link(config, subscriber));
    let (title, details) = (incident.title.clone(), update.text.clone());
    let start_time = Some(timestamp(incident.start_time));
    let end_time = incident.end_time.map(timestamp);
    let is_maintenance = incident.kind == IncidentKind::Maintenance;
    let content = if update.state == IncidentState::Resolved {
        Content::IncidentResolved(IncidentResolved {
            title,
            details,
            start_time,
            end_time,
            manage_link,
            is_maintenance,
        })
    } else {
        Content::IncidentPublished(IncidentPublished {
            title,
            components: incident.components.iter().map(|component| component.title().to_owned()).collect(),
            details,
            start_time,
            manage_link,
            is_maintenance,
            end_time,
        })
    };
    send(tx, subscriber, format!("incident:{}:{}", incident.id, update.id), content).await
}

/// Defers the news of an incident to its subscribers, if the incident is public.
pub(crate) async fn news(tx: &mut Tx, incident: &Incident, update: &Update) -> Result<(), DbError> {
    if incident.publish_time.is_none() {
        return Ok(());
    }
    tell_after(tx, incident.id, update.id, None).await
}

/// Defers the news to the subscribers after this one.
pub(crate) async fn tell_after(
    tx: &mut Tx,
    incident_id: IncidentId,
    update_id: UpdateId,
    after: Option<SubscriberId>,
) -> Result<(), DbError> {
    let after = after.map(|after| after.to_string()).unwrap_or_default();
    let key = format!("status-news:{update_id}:{after}");
    let call = TellStatusSubscribersRequest {
        incident_id: incident_id.to_string(),
        update_id: update_id.to_string(),
        after_subscriber_id: after,
    };
    defer(tx, &call, key).await
}

async fn send(tx: &mut Tx, subscriber: &Subscriber, about: String, content: Content) -> Result<(), DbError> {
    let key = format!("mail:{about}:{}", subscriber.id);
    let message = SendMessageRequest {
        recipient: subscriber.email.as_str().to_owned(),
        about,
        locale: tx.locale().to_owned(),
        content: Some(content),
        ..SendMessageRequest::default()
    };
    defer(tx, &message, key).await
}
