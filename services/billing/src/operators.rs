//! Billing's notices to operators: each is deferred in the transaction of its fact. A notice holds no names.

use levqor_proto_mail::v1::{
    EndOperatorNoticeRequest, NotifyOperatorsRequest, OperatorNoticeKind, OperatorNoticeSeverity,
};
use levqor_runtime::{
    db::{DbError, Tx},
    deferred::defer,
    digest::{Period, Report},
    screening::{Screened, Warning},
    service::Service,
    timestamp,
};
use sqlx::PgConnection;

use crate::{
    Billing,
    domain::{
        dispute::{self, StripeDispute},
        money::Money,
        order::{Order, OrderId, Tier},
        refund::Refund,
        subscription::SubscriptionId,
        withdrawal::Withdrawal,
    },
    store::orders::counts,
};

/// The maximum number of characters of Stripe's id in the reference of a notice.
const MOST_ID_CHARS: usize = 150;
/// The most characters of a reason in a notice.
const MOST_REASON_CHARS: usize = 600;

/// Reports that an order was paid, and whether the customer got a mail about it. This notice needs no end.
pub(crate) async fn new_order(tx: &mut Tx, order: &Order, customer_told: bool) -> Result<(), DbError> {
    let (id, terms) = (order.id, &order.terms);
    let to_do = if customer_told {
        String::new()
    } else {
        format!(
            " The customer got no mail: ask for the intake form, and mail a guest a link (`POST /v1/orders/{id}/links`)."
        )
    };
    let text = format!("{} order {id} was paid: {}.{to_do}", terms.tier.title(), amount(&terms.amount));
    notify(tx, OperatorNoticeKind::NewOrder, OperatorNoticeSeverity::Info, format!("order:{id}"), text).await
}

/// Tells that the intake form of an order is missing, although its customer was reminded.
pub(crate) async fn intake_missing(tx: &mut Tx, id: OrderId, tier: &str) -> Result<(), DbError> {
    let text = format!(
        "{tier} order {id} is paid, and its intake form is missing after three reminders. Ask the customer."
    );
    let kind = OperatorNoticeKind::IntakeMissing;
    notify(tx, kind, OperatorNoticeSeverity::Warning, format!("order:{id}"), text).await
}

/// Ends the notice about a missing intake form.
pub(crate) async fn intake_came(tx: &mut Tx, id: OrderId) -> Result<(), DbError> {
    end(tx, OperatorNoticeKind::IntakeMissing, format!("order:{id}"), format!("intake-came:{id}")).await
}

/// Tells that the customer submitted the intake form of an order. It needs no end.
pub(crate) async fn intake_received(tx: &mut Tx, order: &Order) -> Result<(), DbError> {
    let (id, tier) = (order.id, order.terms.tier.title());
    let text = format!("The intake form of {tier} order {id} is submitted: the delivery time runs.");
    let (kind, severity) = (OperatorNoticeKind::IntakeReceived, OperatorNoticeSeverity::Info);
    notify(tx, kind, severity, format!("order:{id}"), text).await
}

/// Tells that the customer requested a revision of an order. It needs no end.
pub(crate) async fn revision_requested(tx: &mut Tx, order: &Order) -> Result<(), DbError> {
    let (id, tier, left) = (order.id, order.terms.tier.title(), order.revisions_left);
    let text = format!("A revision of {tier} order {id} is requested: the delivery time runs.");
    let (kind, severity) = (OperatorNoticeKind::RevisionRequested, OperatorNoticeSeverity::Info);
    notify(tx, kind, severity, format!("order:{id}:left:{left}"), text).await
}

/// Tells that the delivery of an order is overdue. Each delivery that is owed has a notice of its own.
pub(crate) async fn overdue(tx: &mut Tx, order: &Order) -> Result<(), DbError> {
    let (id, tier, left) = (order.id, order.terms.tier.title(), order.revisions_left);
    let text = format!("The delivery of {tier} order {id} is overdue.");
    let (kind, severity) = (OperatorNoticeKind::OrderOverdue, OperatorNoticeSeverity::Warning);
    notify(tx, kind, severity, format!("order:{id}:left:{left}"), text).await
}

/// Ends the notice about an overdue delivery, if there was one. Work that was delivered late may be paid back later: then the notice
/// ends twice, so each end has a key of its own.
pub(crate) async fn not_overdue(tx: &mut Tx, order: &Order) -> Result<(), DbError> {
    if order.overdue_time.is_none() {
        return Ok(());
    }
    let (now, about) = (tx.now().await?, format!("order:{}:left:{}", order.id, order.revisions_left));
    let key = format!("not_overdue:{about}:{}", now.timestamp_micros());
    end(tx, OperatorNoticeKind::OrderOverdue, about, key).await
}

/// Tells that a customer's bank disputes a payment, and until when evidence can be given.
pub(crate) async fn disputed(tx: &mut Tx, dispute: &StripeDispute) -> Result<(), DbError> {
    let id = plain(dispute.id.as_str());
    let what = if dispute.is_inquiry { "asks about" } else { "has taken back" };
    let due = dispute.due_time.map_or_else(String::new, |due| {
        format!(" Evidence can be given until {}.", due.format("%d %B %Y, %H:%M UTC"))
    });
    let text = format!(
        "Dispute {id}: the customer's bank {what} {} ({}).{due} Answer it in Stripe's dashboard.",
        amount(&dispute.amount),
        plain(&dispute.reason)
    );
    let severity = OperatorNoticeSeverity::Critical;
    notify(tx, OperatorNoticeKind::Dispute, severity, format!("dispute:{id}"), text).await
}

/// Tells that the dispute is decided.
pub(crate) async fn dispute_decided(tx: &mut Tx, dispute: &StripeDispute) -> Result<(), DbError> {
    let id = plain(dispute.id.as_str());
    let how = if dispute.state == dispute::State::Lost { "lost" } else { "won" };
    let text = format!("Dispute {id} about {} is {how}.", amount(&dispute.amount));
    let about = format!("dispute-decided:{id}");
    notify(tx, OperatorNoticeKind::Dispute, OperatorNoticeSeverity::Info, about, text).await
}

/// Tells that a customer withdrew from a contract. It needs no end.
pub(crate) async fn withdrawn(tx: &mut Tx, withdrawal: &Withdrawal, item: &str) -> Result<(), DbError> {
    let (reference, back) = (withdrawal.about.reference(), amount(&withdrawal.amount));
    let text = format!(
        "The customer withdrew from {item}, {reference}: {back} goes back, and nothing more is owed. Stop the work."
    );
    let about = format!("withdrawal:{}", withdrawal.id);
    notify(tx, OperatorNoticeKind::Withdrawal, OperatorNoticeSeverity::Warning, about, text).await
}

/// Tells that the money of a withdrawal could not be paid back: Consumer Rights Directive, art. 13(1), gives 14 days for it. Each
/// attempt that fails has a notice of its own.
pub(crate) async fn withdrawal_failed(tx: &mut Tx, withdrawal: &Withdrawal) -> Result<(), DbError> {
    let (reference, back) = (withdrawal.about.reference(), amount(&withdrawal.amount));
    let due = (withdrawal.create_time + chrono::TimeDelta::days(14)).format("%d %B %Y");
    let text = format!(
        "The customer withdrew from {reference}, and not all of {back} could be paid back. `GET /v1/refunds` shows why. Pay it back by another way until {due}."
    );
    let now = tx.now().await?;
    let about = format!("withdrawal-failed:{}:{}", withdrawal.id, now.timestamp_micros());
    notify(tx, OperatorNoticeKind::Withdrawal, OperatorNoticeSeverity::Critical, about, text).await
}

/// Tells that money did not go back to a customer: Stripe refused the refund, or the customer's bank sent it back. Call it once per
/// refund. A refund of a withdrawal has a notice of its own.
pub(crate) async fn refund_failed(tx: &mut Tx, refund: &Refund) -> Result<(), DbError> {
    let (id, money) = (refund.id, amount(&refund.amount));
    let text = format!(
        "Refund {id} of {money} failed: the customer has not got the money. `GET /v1/refunds` shows why. Pay it back by another way."
    );
    let (kind, severity) = (OperatorNoticeKind::Withdrawal, OperatorNoticeSeverity::Critical);
    notify(tx, kind, severity, format!("refund-failed:{id}"), text).await
}

/// Tells that Stripe refuses to end a subscription that the customer withdrew from.
pub(crate) async fn subscription_not_ended(tx: &mut Tx, id: SubscriptionId) -> Result<(), DbError> {
    let text = format!(
        "The customer withdrew from subscription {id}, and Stripe refuses to end it. End it in Stripe's dashboard now."
    );
    let about = format!("withdrawal-not-ended:{id}");
    notify(tx, OperatorNoticeKind::Withdrawal, OperatorNoticeSeverity::Critical, about, text).await
}

/// Tells that a text was taken with a warning of the screen for high-risk data. `what` has the text, such as `order:0190…`. It
/// needs no end.
pub(crate) async fn screened(tx: &mut Tx, screened: &Screened, what: &str) -> Result<(), DbError> {
    let warning = screened.warning(Billing::NAME, what, tx.now().await?);
    let Some(Warning { about, text, fact_time, key }) = warning else { return Ok(()) };
    let (kind, severity) = (OperatorNoticeKind::HighRiskText, OperatorNoticeSeverity::Info);
    let mut notice = notice(tx, kind, severity, about, text).await?;
    notice.fact_time = Some(timestamp(fact_time));
    defer(tx, &notice, key).await
}

/// Tells that an event of Stripe's is quarantined.
pub(crate) async fn quarantined(
    tx: &mut Tx,
    event_id: &str,
    event_type: &str,
    reason: &str,
    replays: i32,
) -> Result<(), DbError> {
    let reason: String = reason.chars().take(MOST_REASON_CHARS).collect();
    let kind: String = event_type.chars().take(MOST_ID_CHARS).collect();
    let id = plain(event_id);
    let text = format!(
        "Stripe event {id} ({kind}) was quarantined: {reason}. Mend the cause, then replay the event: `levqor dead-letters` says how."
    );
    let about = format!("stripe-event:{id}");
    let kind = OperatorNoticeKind::QuarantinedEvent;
    let notice = notice(tx, kind, OperatorNoticeSeverity::Warning, about, text).await?;
    defer(tx, &notice, format!("quarantined:{id}:{replays}")).await
}

/// Tells that the event is processed again.
pub(crate) async fn replayed(tx: &mut Tx, event_id: &str) -> Result<(), DbError> {
    let (id, now) = (plain(event_id), tx.now().await?);
    let key = format!("replayed:{id}:{}", now.timestamp_micros());
    end(tx, OperatorNoticeKind::QuarantinedEvent, format!("stripe-event:{id}"), key).await
}

/// Defers a notice. Its key consists of kind and subject, so the same notice is sent once.
async fn notify(
    tx: &mut Tx,
    kind: OperatorNoticeKind,
    severity: OperatorNoticeSeverity,
    about: String,
    text: String,
) -> Result<(), DbError> {
    let key = format!("{}:{about}", kind.as_str_name());
    let notice = notice(tx, kind, severity, about, text).await?;
    defer(tx, &notice, key).await
}

/// Defers the end of a notice.
async fn end(tx: &mut Tx, kind: OperatorNoticeKind, about: String, key: String) -> Result<(), DbError> {
    let fact_time = Some(timestamp(tx.now().await?));
    defer(tx, &EndOperatorNoticeRequest { kind: kind.into(), about, fact_time }, key).await
}

async fn notice(
    tx: &mut Tx,
    kind: OperatorNoticeKind,
    severity: OperatorNoticeSeverity,
    about: String,
    text: String,
) -> Result<NotifyOperatorsRequest, DbError> {
    let fact_time = Some(timestamp(tx.now().await?));
    Ok(NotifyOperatorsRequest {
        kind: kind.into(),
        severity: severity.into(),
        about,
        text,
        link: String::new(),
        fact_time,
    })
}

/// The id with dashes for the characters that `about` of a notice must not contain: Stripe promises no form of its ids.
fn plain(id: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' };
    id.chars().take(MOST_ID_CHARS).map(plain).collect()
}

/// The lines of a report about this time: the sales.
pub(crate) async fn digest(conn: &mut PgConnection, period: &Period) -> Result<Vec<String>, DbError> {
    if matches!(period.report, Report::DailyErrors | Report::WeeklyGovernance) {
        return Ok(Vec::new());
    }
    let paid = counts::paid(conn, period.begin, period.end).await?;
    let line = |(tier, count, money): (Tier, i64, Money)| {
        format!("{count} paid {} orders: {}", tier.title(), amount(&money))
    };
    Ok(paid.into_iter().map(line).collect())
}

/// An amount for operators, such as `GBP 99.00`.
fn amount(money: &Money) -> String {
    let digits = levqor_runtime::currency::iso_digits(money.currency.as_bytes());
    let unit = 10_i64.pow(digits);
    let (whole, part) = (money.minor_units / unit, money.minor_units % unit);
    match usize::try_from(digits) {
        Ok(digits @ 1..) => format!("{} {whole}.{part:0digits$}", money.currency),
        _ => format!("{} {whole}", money.currency),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_has_the_digits_of_its_currency() {
        for (currency, minor_units, shown) in
            [("GBP", 9_905, "GBP 99.05"), ("JPY", 300, "JPY 300"), ("BHD", 1_001, "BHD 1.001")]
        {
            assert_eq!(amount(&Money { currency: currency.to_owned(), minor_units }), shown);
        }
    }

    #[test]
    fn any_id_of_stripes_can_be_named() {
        assert_eq!(plain("evt 1/é"), "evt-1--");
    }
}
