//! Reads a customer's own orders, subscription and tickets for an answer of the assistant. Billing is asked with the customer's
//! own token, so billing decides which data the customer may see, and the text of a message cannot choose whose data is read.

use std::time::Duration;

use levqor_proto_billing::v1::{
    GetSubscriptionRequest, ListOrdersRequest, billing_service_client::BillingServiceClient,
    subscription_service_client::SubscriptionServiceClient,
};
use levqor_runtime::{
    chassis::Unanswered,
    context::{Actor, Ctx, Role},
    db::{self, DbError},
    grpc_code,
};
use secrecy::SecretString;
use tonic::Code;

use crate::{
    Support,
    domain::own_data::{self, MOST_SHOWN, OwnTopic},
    store::tickets,
};

/// The service that has orders and subscriptions.
const BILLING: &str = "billing";
/// How long to wait for billing.
const TIMEOUT: Duration = Duration::from_secs(2);

/// The known facts about one part of a customer's account.
#[derive(Clone)]
pub(crate) struct OwnData {
    /// Whose it is.
    pub(crate) sub: String,
    pub(crate) topic: OwnTopic,
    /// The sentences. None: the service that has the data did not answer in time.
    pub(crate) text: Option<String>,
}

/// Reads the data about the caller's own account that a question needs. None if it needs none, or if the caller is no signed-in customer.
pub(crate) async fn read(support: &Support, ctx: &Ctx, question: &str) -> Result<Option<OwnData>, DbError> {
    let (Actor::User(user), Some(token)) = (&ctx.actor, &ctx.user_token) else { return Ok(None) };
    // Staff may see everybody's data. The assistant shows data only to the customers who own it.
    if user.role != Role::Customer {
        return Ok(None);
    }
    let Some(topic) = support.own_phrases.topic(question) else { return Ok(None) };
    let text = match topic {
        OwnTopic::Orders => told(orders(support, ctx, token).await),
        OwnTopic::Subscription => told(subscription(support, ctx, token).await),
        OwnTopic::Tickets => Some(own_tickets(support, ctx).await?),
    };
    Ok(Some(OwnData { sub: user.sub.clone(), topic, text }))
}

/// What billing says, if it says it in time.
fn told(answer: Result<String, Unanswered>) -> Option<String> {
    answer
        .inspect_err(|why| {
            let reason = grpc_code::name(why.code());
            tracing::warn!(reason, "billing did not give the customer's own data");
        })
        .ok()
}

async fn orders(support: &Support, ctx: &Ctx, token: &SecretString) -> Result<String, Unanswered> {
    let page_size = i32::try_from(MOST_SHOWN).unwrap_or(i32::MAX);
    let request = ListOrdersRequest { page_size, ..Default::default() };
    let (chassis, request_id) = (&support.chassis, &ctx.request_id);
    let listed = chassis.ask_as(token, BILLING, request_id, TIMEOUT, request, async |channel, request| {
        BillingServiceClient::new(channel).list_orders(request).await
    });
    let listed = listed.await?;
    let page = format!("{}/dashboard/delivery", support.config.site);
    Ok(own_data::orders(&listed.orders, !listed.next_page_token.is_empty(), &page))
}

async fn subscription(support: &Support, ctx: &Ctx, token: &SecretString) -> Result<String, Unanswered> {
    let (chassis, request_id) = (&support.chassis, &ctx.request_id);
    let request = GetSubscriptionRequest::default();
    let found = chassis.ask_as(token, BILLING, request_id, TIMEOUT, request, async |channel, request| {
        SubscriptionServiceClient::new(channel).get_subscription(request).await
    });
    let found = match found.await {
        Ok(found) => found.subscription,
        Err(Unanswered::Refused(Code::NotFound)) => None,
        Err(why) => return Err(why),
    };
    Ok(own_data::subscription(found.as_ref(), &format!("{}/billing", support.config.site)))
}

async fn own_tickets(support: &Support, ctx: &Ctx) -> Result<String, DbError> {
    let mut conn = support.chassis.db.acquire().await?;
    let scope = ctx.scope();
    tickets::claim(&mut conn, &scope).await?;
    let most = i64::try_from(MOST_SHOWN).unwrap_or(i64::MAX);
    let mut found = tickets::latest_own(&mut conn, &scope, most + 1).await?;
    let more = found.len() > MOST_SHOWN;
    found.truncate(MOST_SHOWN);
    Ok(own_data::tickets(&found, more, db::now(&mut conn).await?))
}
