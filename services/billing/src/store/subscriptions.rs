//! Table `subscriptions`. A function that a customer's call can reach takes the customer and puts them into the `WHERE`.

use chrono::{DateTime, Utc};
use levqor_runtime::{
    db::{DbError, known, known_if_any, one_row},
    email::Email,
};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::domain::{
    buyer::Buyer,
    plan::{AddOn, Package},
    stripe_id::StripeId,
    subscription::{Subscription, SubscriptionId},
};

/// Gets the subscription with this id, and locks it until the transaction ends. It takes no scope, because the journal acts for no
/// person.
pub(crate) async fn lock(
    conn: &mut PgConnection,
    id: SubscriptionId,
) -> Result<Option<Subscription>, DbError> {
    sqlx::query_as!(Row, "SELECT * FROM subscriptions WHERE subscription_id = $1 FOR UPDATE", id.as_uuid())
        .fetch_optional(conn)
        .await?
        .map(Subscription::try_from)
        .transpose()
}

/// Gets the subscription with this id, for a caller who has a link to it.
pub(crate) async fn get(
    conn: &mut PgConnection,
    id: SubscriptionId,
) -> Result<Option<Subscription>, DbError> {
    sqlx::query_as!(Row, "SELECT * FROM subscriptions WHERE subscription_id = $1", id.as_uuid())
        .fetch_optional(conn)
        .await?
        .map(Subscription::try_from)
        .transpose()
}

/// Gets the subscription that is this one at Stripe, and locks it.
pub(crate) async fn lock_by_stripe(
    conn: &mut PgConnection,
    id: &StripeId,
) -> Result<Option<Subscription>, DbError> {
    sqlx::query_as!(
        Row,
        "SELECT * FROM subscriptions WHERE stripe_subscription_id = $1 FOR UPDATE",
        id.as_str()
    )
    .fetch_optional(conn)
    .await?
    .map(Subscription::try_from)
    .transpose()
}

/// Gets the subscription that this checkout session sells, and locks it.
pub(crate) async fn lock_by_session(
    conn: &mut PgConnection,
    id: &StripeId,
) -> Result<Option<Subscription>, DbError> {
    sqlx::query_as!(
        Row,
        "SELECT * FROM subscriptions WHERE stripe_checkout_session_id = $1 FOR UPDATE",
        id.as_str()
    )
    .fetch_optional(conn)
    .await?
    .map(Subscription::try_from)
    .transpose()
}

/// The version of the row that mirrors this subscription. Ask it before Stripe is asked.
pub(crate) async fn version(conn: &mut PgConnection, id: &StripeId) -> Result<Option<i64>, DbError> {
    let version = sqlx::query_scalar!(
        "SELECT version FROM subscriptions WHERE stripe_subscription_id = $1",
        id.as_str()
    );
    Ok(version.fetch_optional(conn).await?)
}

/// Sets the buyer as the owner of the subscriptions without an owner that have the buyer's verified address. It waits for the buyer's
/// other calls that do the same: without the row that they lock, it would seem that there is no subscription.
pub(crate) async fn claim(conn: &mut PgConnection, buyer: &Buyer) -> Result<(), DbError> {
    let Some(email) = buyer.verified_email() else { return Ok(()) };
    sqlx::query!(
        "WITH theirs AS MATERIALIZED (
             SELECT subscription_id FROM subscriptions
             WHERE owner_sub IS NULL AND customer_email = $2
             ORDER BY subscription_id
             FOR UPDATE
         )
         UPDATE subscriptions SET owner_sub = $1
         FROM theirs WHERE subscriptions.subscription_id = theirs.subscription_id",
        buyer.sub(),
        email.as_str(),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The subscriptions of this person. Those that have not ended come first: any number of newer, ended ones must not hide them.
pub(crate) async fn of_owner(conn: &mut PgConnection, owner_sub: &str) -> Result<Vec<Subscription>, DbError> {
    let rows = sqlx::query_as!(
        Row,
        "SELECT * FROM subscriptions WHERE owner_sub = $1
         ORDER BY state IN ('ABANDONED', 'INCOMPLETE_EXPIRED', 'CANCELED'), create_time DESC LIMIT 50",
        owner_sub
    );
    rows.fetch_all(conn).await?.into_iter().map(Subscription::try_from).collect()
}

/// The subscriptions that carry this address, in the same order. For staff.
pub(crate) async fn of_address(conn: &mut PgConnection, email: &Email) -> Result<Vec<Subscription>, DbError> {
    let rows = sqlx::query_as!(
        Row,
        "SELECT * FROM subscriptions WHERE customer_email = $1
         ORDER BY state IN ('ABANDONED', 'INCOMPLETE_EXPIRED', 'CANCELED'), create_time DESC LIMIT 50",
        email.as_str()
    );
    rows.fetch_all(conn).await?.into_iter().map(Subscription::try_from).collect()
}

/// Whether a subscription with this address has ever begun. It takes no scope, because it returns nothing of the subscription.
pub(crate) async fn has_begun(conn: &mut PgConnection, customer_email: &Email) -> Result<bool, DbError> {
    let has = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM subscriptions WHERE customer_email = $1 AND start_time IS NOT NULL) AS "has!""#,
        customer_email.as_str(),
    )
    .fetch_one(conn)
    .await?;
    Ok(has)
}

/// Stores a new subscription.
pub(crate) async fn insert(conn: &mut PgConnection, subscription: &Subscription) -> Result<(), DbError> {
    let Subscription { package, bought, .. } = subscription;
    sqlx::query!(
        "INSERT INTO subscriptions (
             subscription_id, owner_sub, customer_email, customer_name, stripe_customer_id, stripe_subscription_id,
             stripe_checkout_session_id, state, plan, term, add_ons, bought_plan, bought_term, bought_add_ons,
             start_at_once, terms_version, start_time, period_start_time, period_end_time, cancel_time, end_time,
             create_time, update_time, version, trial_end_time
         )
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25)",
        subscription.id.as_uuid(),
        subscription.owner_sub,
        subscription.customer_email.as_str(),
        subscription.customer_name,
        subscription.stripe_customer_id.as_ref().map(StripeId::as_str),
        subscription.stripe_subscription_id.as_ref().map(StripeId::as_str),
        subscription.stripe_checkout_session_id.as_ref().map(StripeId::as_str),
        subscription.state.as_str(),
        package.plan.as_str(),
        package.term.as_str(),
        &names(package),
        bought.plan.as_str(),
        bought.term.as_str(),
        &names(bought),
        subscription.start_at_once,
        subscription.terms_version,
        subscription.start_time,
        subscription.period_start_time,
        subscription.period_end_time,
        subscription.cancel_time,
        subscription.end_time,
        subscription.create_time,
        subscription.update_time,
        subscription.version,
        subscription.trial_end_time,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Saves a subscription that was locked. It does not write the owner and the package, because Stripe never changes them.
pub(crate) async fn update(conn: &mut PgConnection, subscription: &Subscription) -> Result<(), DbError> {
    let package = &subscription.package;
    let saved = sqlx::query!(
        "UPDATE subscriptions
         SET customer_name = $2, stripe_customer_id = $3, stripe_subscription_id = $4, stripe_checkout_session_id = $5,
             state = $6, plan = $7, term = $8, add_ons = $9, start_time = $10, period_start_time = $11,
             period_end_time = $12, cancel_time = $13, end_time = $14, update_time = $15, version = $16,
             trial_end_time = $17
         WHERE subscription_id = $1",
        subscription.id.as_uuid(),
        subscription.customer_name,
        subscription.stripe_customer_id.as_ref().map(StripeId::as_str),
        subscription.stripe_subscription_id.as_ref().map(StripeId::as_str),
        subscription.stripe_checkout_session_id.as_ref().map(StripeId::as_str),
        subscription.state.as_str(),
        package.plan.as_str(),
        package.term.as_str(),
        &names(package),
        subscription.start_time,
        subscription.period_start_time,
        subscription.period_end_time,
        subscription.cancel_time,
        subscription.end_time,
        subscription.update_time,
        subscription.version,
        subscription.trial_end_time,
    )
    .execute(conn)
    .await?;
    one_row(&saved)
}

fn names(package: &Package) -> Vec<String> {
    package.add_ons.iter().map(|add_on| add_on.as_str().to_owned()).collect()
}

/// A row as it is stored.
struct Row {
    subscription_id: Uuid,
    owner_sub: Option<String>,
    customer_email: String,
    customer_name: String,
    stripe_customer_id: Option<String>,
    stripe_subscription_id: Option<String>,
    stripe_checkout_session_id: Option<String>,
    state: String,
    plan: String,
    term: String,
    add_ons: Vec<String>,
    bought_plan: String,
    bought_term: String,
    bought_add_ons: Vec<String>,
    start_at_once: Option<bool>,
    terms_version: String,
    start_time: Option<DateTime<Utc>>,
    trial_end_time: Option<DateTime<Utc>>,
    period_start_time: Option<DateTime<Utc>>,
    period_end_time: Option<DateTime<Utc>>,
    cancel_time: Option<DateTime<Utc>>,
    end_time: Option<DateTime<Utc>>,
    create_time: DateTime<Utc>,
    update_time: DateTime<Utc>,
    version: i64,
}

fn package(plan: &str, term: &str, add_ons: &[String]) -> Result<Package, DbError> {
    let add_ons: Result<Vec<AddOn>, _> = add_ons.iter().map(|name| known("add_ons", name)).collect();
    Ok(Package::new(known("plan", plan)?, known("term", term)?, add_ons?))
}

impl TryFrom<Row> for Subscription {
    type Error = DbError;

    fn try_from(row: Row) -> Result<Self, DbError> {
        Ok(Self {
            id: row.subscription_id.into(),
            owner_sub: row.owner_sub,
            customer_email: known("customer_email", &row.customer_email)?,
            customer_name: row.customer_name,
            stripe_customer_id: known_if_any("stripe_customer_id", row.stripe_customer_id.as_deref())?,
            stripe_subscription_id: known_if_any(
                "stripe_subscription_id",
                row.stripe_subscription_id.as_deref(),
            )?,
            stripe_checkout_session_id: known_if_any(
                "stripe_checkout_session_id",
                row.stripe_checkout_session_id.as_deref(),
            )?,
            state: known("state", &row.state)?,
            package: package(&row.plan, &row.term, &row.add_ons)?,
            bought: package(&row.bought_plan, &row.bought_term, &row.bought_add_ons)?,
            start_at_once: row.start_at_once,
            terms_version: row.terms_version,
            start_time: row.start_time,
            trial_end_time: row.trial_end_time,
            period_start_time: row.period_start_time,
            period_end_time: row.period_end_time,
            cancel_time: row.cancel_time,
            end_time: row.end_time,
            create_time: row.create_time,
            update_time: row.update_time,
            version: row.version,
        })
    }
}

/// The subscriptions of these people that go on, or that are being bought.
pub(crate) async fn running_of(
    conn: &mut PgConnection,
    subs: &[String],
    emails: &[String],
) -> Result<Vec<SubscriptionId>, DbError> {
    let ids = sqlx::query_scalar!(
        r#"SELECT subscription_id AS "subscription_id!" FROM (
               (SELECT subscription_id, state FROM subscriptions WHERE owner_sub = ANY($1))
               UNION ALL
               (SELECT subscription_id, state FROM subscriptions WHERE owner_sub IS NULL AND customer_email = ANY($2))
           ) AS theirs
           WHERE state NOT IN ('ABANDONED', 'INCOMPLETE_EXPIRED', 'CANCELED')
           ORDER BY subscription_id
           LIMIT 100"#,
        subs,
        emails,
    )
    .fetch_all(conn)
    .await?;
    Ok(ids.into_iter().map(Into::into).collect())
}
