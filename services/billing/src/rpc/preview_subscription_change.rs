//! Previews a change of the caller's subscription: Stripe computes the invoices as if the change was made. Nothing changes.

use chrono::{DateTime, Utc};
use levqor_proto_billing::v1::{PreviewSubscriptionChangeRequest, PreviewSubscriptionChangeResponse};
use levqor_runtime::{context::Ctx, error::Violations, timestamp};
use serde_json::{Value, json};

use crate::{
    Billing,
    checkout::TimeBudget,
    domain::{buyer::Buyer, money::Money, plan::Package},
    error::Error,
    operations::unavailable,
    subscribing::renewal_after,
};

pub(super) async fn preview_subscription_change(
    billing: &Billing,
    ctx: Ctx,
    request: PreviewSubscriptionChangeRequest,
) -> Result<PreviewSubscriptionChangeResponse, Error> {
    let time_budget = TimeBudget::begin();
    let mut violations = Violations::new();
    let package = Package::read(&mut violations, "", request.plan, request.term, &request.add_ons);
    let package = violations.finish(package)?;
    let buyer = Buyer::of(&ctx.actor).ok_or(Error::SubscriptionNotFound)?;
    let change = billing.change(&buyer, &package, &time_budget).await?;
    let details =
        json!({"items": change.params["items"], "proration_behavior": change.params["proration_behavior"]});
    let mut params =
        json!({"subscription": change.stripe_subscription_id.as_str(), "subscription_details": details});
    let stripe = billing.stripe()?;
    let invoice = stripe.preview_invoice(&params, time_budget.left()).await;
    let invoice = invoice.map_err(|error| unavailable(&error))?;
    let due = number(&invoice, "amount_due").max(0);
    // A negative balance is credit: that of the customer so far, and that of the change.
    let credit = (-number(&invoice, "total") - number(&invoice, "starting_balance")).max(0);
    let (charged_now, next_charge, credit_left) = if change.at_once {
        // Stripe shows the invoice that it would make at once. The price of a later period, with tax and after the discounts that
        // last, is another preview: <https://docs.stripe.com/api/invoices/create_preview#create_create_preview-preview_mode>.
        params["preview_mode"] = json!("recurring");
        params["subscription_details"]["proration_behavior"] = json!("none");
        let recurring = stripe.preview_invoice(&params, time_budget.left()).await;
        let renewal = number(&recurring.map_err(|error| unavailable(&error))?, "total").max(0);
        // Credit that the first invoice leaves goes to the next one.
        (due, (renewal - credit).max(0), (credit - renewal).max(0))
    } else {
        // Stripe shows the next invoice: the new price, and the credit of the change.
        (0, due, credit)
    };
    let currency = invoice.get("currency").and_then(Value::as_str).unwrap_or("gbp");
    let money = |amount| Money::of_stripe(currency, amount).map(Into::into);
    let now = billing.chassis.clock.now();
    let period_end = change.row.period_end_time.filter(|_| change.row.package.term == package.term);
    let next: DateTime<Utc> = period_end.unwrap_or_else(|| renewal_after(now, package.term));
    Ok(PreviewSubscriptionChangeResponse {
        charged_now: money(charged_now),
        next_charge: money(next_charge),
        next_charge_time: Some(timestamp(next)),
        credit: money(credit_left),
    })
}

/// An amount of an invoice, in Stripe's unit. 0 if there is none.
fn number(invoice: &Value, field: &str) -> i64 {
    invoice.get(field).and_then(Value::as_i64).unwrap_or_default()
}
