//! Creates a checkout session for the caller. It is written without `mutate`, because Stripe is asked between two transactions:
//! the first stores the request to Stripe and its key, with the idempotency key of the caller's request; the second stores the
//! outcome.

use levqor_proto_billing::v1::{
    CreateCheckoutSessionRequest, CreateCheckoutSessionResponse,
    create_checkout_session_request::Item as WireItem,
};
use levqor_runtime::{
    context::Ctx,
    error::{Invalid, Violations},
    timestamp,
};

use crate::{
    Billing,
    checkout::{Item, TimeBudget, Wanted},
    domain::{buyer::Buyer, plan::Package},
    error::Error,
    operations::{request_key, unavailable_to_fetch},
};

/// Stripe's promotion codes are shorter.
const LONGEST_CODE: usize = 100;

pub(super) async fn create_checkout_session(
    billing: &Billing,
    ctx: Ctx,
    request: CreateCheckoutSessionRequest,
) -> Result<CreateCheckoutSessionResponse, Error> {
    let time_budget = TimeBudget::begin();
    let Command { item, promotion_code, terms_version, start_at_once } = Command::try_from(&request)?;
    let buyer = Buyer::of(&ctx.actor).ok_or(Error::CustomerNotFound)?;
    let stripe = billing.stripe()?;
    let in_force = billing.shop.terms_version.as_ref();
    let in_force = in_force.ok_or(Error::ShopClosed("LEVQOR_TERMS_VERSION is not set"))?.as_str();
    if terms_version != in_force {
        let expected = format!("expected the version of the terms that is in force, {in_force}");
        return Err(Invalid::of("terms_version", expected).into());
    }
    let request_key = request_key(&ctx, &request);
    // Before Stripe is asked anything, because promotion codes could be guessed.
    billing.count_try(&buyer, request_key.as_ref()).await?;
    let promotion =
        match promotion_code {
            None => None,
            Some(code) => {
                let found = stripe
                    .within(time_budget.left())
                    .promotion_code(&code)
                    .await
                    .map_err(|error| unavailable_to_fetch(&error))?;
                Some(found.ok_or_else(|| {
                    Invalid::of("promotion_code", "expected a promotion code that is valid")
                })?)
            }
        };
    let wanted = Wanted { item, promotion, terms_version, start_at_once, request: request_key };
    let made = billing.checkout(&buyer, &wanted, &time_budget).await?;
    let is_order = matches!(wanted.item, Item::DoneForYou(_));
    let ours = made.about.to_string();
    let session = made.stripe_object_id.as_ref().map(ToString::to_string);
    Ok(CreateCheckoutSessionResponse {
        url: made.url.unwrap_or_default(),
        stripe_checkout_session_id: session.unwrap_or_default(),
        order_id: if is_order { ours.clone() } else { String::new() },
        subscription_id: if is_order { String::new() } else { ours },
        expire_time: made.expire_time.map(timestamp),
    })
}

struct Command {
    item: Item,
    promotion_code: Option<String>,
    terms_version: String,
    start_at_once: bool,
}

impl TryFrom<&CreateCheckoutSessionRequest> for Command {
    type Error = Invalid;

    fn try_from(request: &CreateCheckoutSessionRequest) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let item = match &request.item {
            None => {
                violations.add("item", "expected `dfy` or `subscription`");
                None
            }
            Some(WireItem::Dfy(dfy)) => violations.field_enum("dfy.tier", dfy.tier).map(Item::DoneForYou),
            Some(WireItem::Subscription(wanted)) => {
                let (plan, term) = (wanted.plan, wanted.term);
                Package::read(&mut violations, "subscription.", plan, term, &wanted.add_ons)
                    .map(Item::Subscription)
            }
        };
        let code = request.promotion_code.trim();
        if code.len() > LONGEST_CODE {
            violations.add("promotion_code", "expected a promotion code");
        }
        if request.terms_version.is_empty() {
            violations.add("terms_version", "expected the version of the terms that the buyer has accepted");
        }
        let command = item.map(|item| Self {
            item,
            promotion_code: Some(code.to_owned()).filter(|code| !code.is_empty()),
            terms_version: request.terms_version.clone(),
            start_at_once: request.start_at_once,
        });
        violations.finish(command)
    }
}
