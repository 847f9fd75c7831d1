//! Gets each service's data about one customer, for staff. A service that does not answer is named; the other services' data is shown.

use std::collections::BTreeSet;

use levqor_proto_billing::v1::{Order, Subscription};
use levqor_proto_notifications::v1::Message;
use levqor_proto_support::v1::{self as wire, GetCustomerOverviewRequest, GetCustomerOverviewResponse};
use levqor_runtime::{
    context::{Ctx, Scope},
    db,
    email::Email,
    error::{Invalid, Violations},
    grpc_code,
};
use tonic::Code;

use crate::{
    Support,
    customers::{Asking, Customer, MAX},
    domain::{text::Assignee, ticket::Ticket},
    error::Error,
    store::tickets,
};

/// To how many addresses of a person mails are looked for.
const MOST_ADDRESSES: usize = 3;

pub(super) async fn get_customer_overview(
    support: &Support,
    ctx: Ctx,
    request: GetCustomerOverviewRequest,
) -> Result<GetCustomerOverviewResponse, Error> {
    let customer = Customer::try_from(&request)?;
    let mut conn = support.chassis.db.acquire().await?;
    let theirs = tickets::latest_of(&mut conn, customer.sub(), customer.email(), MAX.into()).await?;
    let now = db::now(&mut conn).await?;
    drop(conn);
    let shown = theirs.iter().map(|ticket| ticket.seen_by(&Scope::All, now, &support.hours)).collect();
    let mut overview = GetCustomerOverviewResponse { tickets: shown, ..Default::default() };
    let Some(token) = &ctx.user_token else {
        // Only a member of staff has a token with rights at other services.
        let parts = [("orders", "billing"), ("subscription", "billing"), ("mails", "notifications")];
        overview.missing_parts =
            parts.map(|(part, service)| missing(part, service, Code::Unauthenticated)).into();
        return Ok(overview);
    };
    let asking = Asking { support, ctx: &ctx, token };
    let (orders, subscription) = tokio::join!(asking.orders(&customer), asking.subscription(&customer));
    let orders = part(&mut overview, "orders", "billing", orders).unwrap_or_default();
    overview.subscription =
        part(&mut overview, "subscription", "billing", subscription).flatten().map(self::subscription);
    for address in addresses(&customer, &orders, &theirs) {
        let mails = asking.mails(&address).await;
        let Some(mails) = part(&mut overview, "mails", "notifications", mails) else { break };
        overview.mails.extend(mails.into_iter().map(mail));
    }
    overview
        .mails
        .sort_by_key(|mail| std::cmp::Reverse(mail.create_time.map(|time| (time.seconds, time.nanos))));
    overview.mails.truncate(usize::try_from(MAX).unwrap_or(usize::MAX));
    overview.orders = orders.into_iter().map(order).collect();
    Ok(overview)
}

/// A part of the overview. If its service did not give it, the overview says so.
fn part<T>(
    overview: &mut GetCustomerOverviewResponse,
    part: &str,
    service: &str,
    answer: Result<T, Code>,
) -> Option<T> {
    answer.map_err(|code| overview.missing_parts.push(missing(part, service, code))).ok()
}

fn missing(part: &str, service: &str, code: Code) -> wire::MissingPart {
    wire::MissingPart {
        part: part.to_owned(),
        service: service.to_owned(),
        code: grpc_code::name(code).to_owned(),
    }
}

/// The addresses of a customer: the one that staff named, or those of the orders, and of the tickets that the identity provider has
/// verified.
fn addresses(customer: &Customer, orders: &[Order], tickets: &[Ticket]) -> Vec<Email> {
    let of_orders = orders.iter().filter_map(|order| order.customer_email.parse().ok());
    let of_tickets = tickets.iter().filter(|ticket| ticket.customer.verified);
    let of_tickets = of_tickets.filter_map(|ticket| ticket.customer.email.clone());
    let mut known = BTreeSet::new();
    let found = match customer {
        Customer::Address(email) => vec![email.clone()],
        Customer::Sub(_) => of_orders.chain(of_tickets).collect(),
    };
    let is_new = |email: &Email| known.insert(email.as_str().to_owned());
    found.into_iter().filter(is_new).take(MOST_ADDRESSES).collect()
}

impl TryFrom<&GetCustomerOverviewRequest> for Customer {
    type Error = Invalid;

    fn try_from(request: &GetCustomerOverviewRequest) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let sub: Option<Assignee> = violations.filter("owner_sub", &request.owner_sub);
        let email = violations.filter("customer_email", &request.customer_email);
        if request.owner_sub.is_empty() == request.customer_email.is_empty() {
            violations.add("customer_email", "expected either an owner or an address");
        }
        let by_sub = sub.map(|sub| Self::Sub(sub.as_str().to_owned()));
        violations.finish(by_sub.or(email.map(Self::Address)))
    }
}

/// The end of an enum's name: `PAID` of `PAYMENT_STATE_PAID`. Empty if it is not set.
fn value(name: &str, prefix: &str) -> String {
    name.strip_prefix(prefix).filter(|value| *value != "UNSPECIFIED").unwrap_or_default().to_owned()
}

/// The order as the overview shows it.
fn order(order: Order) -> wire::CustomerOrder {
    wire::CustomerOrder {
        tier: value(order.tier().as_str_name(), "TIER_"),
        payment_state: value(order.payment_state().as_str_name(), "PAYMENT_STATE_"),
        fulfilment_state: value(order.fulfilment_state().as_str_name(), "FULFILMENT_STATE_"),
        amount: order.amount,
        due_time: order.due_time,
        create_time: order.create_time,
        order_id: order.order_id,
    }
}

/// The subscription as the overview shows it.
fn subscription(subscription: Subscription) -> wire::CustomerSubscription {
    wire::CustomerSubscription {
        state: value(subscription.state().as_str_name(), "STATE_"),
        plan: value(subscription.plan().as_str_name(), "PLAN_"),
        term: value(subscription.term().as_str_name(), "TERM_"),
        current_period_end_time: subscription.current_period_end_time,
        cancel_time: subscription.cancel_time,
        subscription_id: subscription.subscription_id,
    }
}

/// The mail as the overview shows it.
fn mail(message: Message) -> wire::CustomerMail {
    wire::CustomerMail {
        state: value(message.state().as_str_name(), "STATE_"),
        message_id: message.message_id,
        template: message.template,
        subject: message.subject,
        create_time: message.create_time,
    }
}
