//! Asks an address whether it wants news of incidents, by a mail with a link. Anybody may call it for any address, so the answer tells
//! nothing, and an address is asked at most three times a day.

use levqor_proto_support::v1::{CreateStatusSubscriptionRequest, CreateStatusSubscriptionResponse};
use levqor_runtime::{
    context::Ctx,
    email::Email,
    error::{Invalid, Violations},
    rpc::{Done, mutate},
};

use crate::{
    Support,
    domain::status_subscriber::{Subscriber, SubscriberId},
    error::Error,
    randomness, status_mails,
    store::status_subscribers,
};

pub(super) async fn create_status_subscription(
    support: &Support,
    ctx: Ctx,
    request: CreateStatusSubscriptionRequest,
) -> Result<CreateStatusSubscriptionResponse, Error> {
    let Command { email } = Command::try_from(&request)?;
    mutate(support, &ctx, &request, async |tx| {
        let now = tx.now().await?;
        let new = Subscriber {
            id: SubscriberId::new_at(now),
            email,
            token: randomness::token()?.to_text(),
            ask_count: 0,
            ask_time: now,
            confirm_time: None,
            create_time: now,
        };
        status_subscribers::insert_if_new(tx, &new).await?;
        if let Some(mut subscriber) = status_subscribers::lock_by_email(tx, &new.email).await?
            && subscriber.ask(now)
        {
            status_subscribers::save(tx, &subscriber).await?;
            status_mails::ask(tx, &support.config, &subscriber).await?;
        }
        let response = CreateStatusSubscriptionResponse {};
        Ok(Done::unaudited(response, "anybody may call this, and the row is the evidence"))
    })
    .await
}

struct Command {
    email: Email,
}

impl TryFrom<&CreateStatusSubscriptionRequest> for Command {
    type Error = Invalid;

    fn try_from(request: &CreateStatusSubscriptionRequest) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let email = violations.field("email", &request.email);
        violations.finish(email.map(|email| Self { email }))
    }
}
