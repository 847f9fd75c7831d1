//! `CreateNewsletterSubscription`: asks an address whether it wants the newsletter, by a mail with a link. Anybody may call it for any
//! address, so the answer tells nothing, and an address is asked at most three times a day.

use levqor_proto_mail::v1::{NewsletterOptIn, SendMessageRequest, send_message_request::Content};
use levqor_proto_notifications::v1::{
    CreateNewsletterSubscriptionRequest, CreateNewsletterSubscriptionResponse,
};
use levqor_runtime::{
    context::Ctx,
    db::{DbError, Tx},
    deferred::defer,
    email::Email,
    error::{Invalid, Violations},
    rpc::{Done, mutate},
};

use crate::{
    Notifications,
    consent::Standing,
    domain::{
        newsletter::{MOST_QUESTIONS, SubscriptionId, Topic, VALID},
        reference::About,
    },
    error::Error,
    store::{
        newsletter_subscriptions::{self, NewSubscription},
        suppressions,
    },
};

pub(super) async fn create_newsletter_subscription(
    notifications: &Notifications,
    ctx: Ctx,
    request: CreateNewsletterSubscriptionRequest,
) -> Result<CreateNewsletterSubscriptionResponse, Error> {
    let command: Command = (&request).try_into()?;
    mutate(notifications, &ctx, &request, async |tx| {
        ask(notifications, tx, &command).await?;
        let response = CreateNewsletterSubscriptionResponse::default();
        Ok(Done::unaudited(response, "anybody may call this, and the row is the evidence"))
    })
    .await
}

/// Stores the subscription and defers the mail, unless the address was asked often enough, or has agreed to all of it already.
async fn ask(notifications: &Notifications, tx: &mut Tx, command: &Command) -> Result<(), DbError> {
    let recipient_hash = notifications.config.address_key.hash(&command.recipient);
    suppressions::hold(tx, &recipient_hash).await?;
    let now = tx.now().await?;
    let standing = Standing::of(tx, &recipient_hash).await?;
    let asked = newsletter_subscriptions::count_since(tx, &recipient_hash, now - VALID).await?;
    if asked >= MOST_QUESTIONS || command.topics.iter().all(|topic| standing.on().contains(topic)) {
        return Ok(());
    }
    let id = SubscriptionId::new_at(now);
    let subscription = NewSubscription {
        id,
        recipient: &command.recipient,
        recipient_hash,
        topics: &command.topics,
        source: command.source.as_ref().map_or("", About::as_str),
        shown_text: &command.shown_text,
        create_time: now,
        expire_time: now + VALID,
    };
    newsletter_subscriptions::insert(tx, &subscription).await?;
    let question = SendMessageRequest {
        recipient: command.recipient.as_str().to_owned(),
        about: format!("newsletter:{id}"),
        content: Some(Content::NewsletterOptIn(NewsletterOptIn {
            topics: command.topics.iter().map(|topic| topic.title().to_owned()).collect(),
            confirm_link: notifications.links.confirmation(id),
            valid: Some(prost_types::Duration { seconds: VALID.num_seconds(), nanos: 0 }),
        })),
        ..SendMessageRequest::default()
    };
    defer(tx, &question, format!("newsletter-opt-in:{id}")).await
}

/// A valid request.
struct Command {
    recipient: Email,
    topics: Vec<Topic>,
    source: Option<About>,
    shown_text: String,
}

/// The most characters of the text that was shown.
const MOST_SHOWN: usize = 1_000;

impl TryFrom<&CreateNewsletterSubscriptionRequest> for Command {
    type Error = Invalid;

    fn try_from(request: &CreateNewsletterSubscriptionRequest) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let recipient = violations.parse("email", &request.email, "a mail address");
        let chosen: Option<Vec<Topic>> =
            request.categories.iter().map(|number| violations.field_enum("categories", *number)).collect();
        if request.categories.is_empty() {
            violations.add("categories", "expected at least one");
        }
        let source = violations.filter("source", &request.source);
        if request.shown_text.chars().count() > MOST_SHOWN {
            violations.add("shown_text", "expected at most 1,000 characters");
        }
        let command = recipient.zip(chosen).map(|(recipient, chosen)| Self {
            recipient,
            // Each topic once, in the order of the preference centre.
            topics: Topic::ALL.into_iter().filter(|topic| chosen.contains(topic)).collect(),
            source,
            shown_text: request.shown_text.clone(),
        });
        violations.finish(command)
    }
}
