//! What customers ask about their own account, and the sentences that answer it from billing's and our own data.

use chrono::{DateTime, Utc};
use chrono_tz::Europe::London;
use levqor_proto_billing::v1::{
    Order, Subscription,
    order::{FulfilmentState, PaymentState, Tier},
    subscription::{AddOn, Plan, State as SubscriptionState, Term},
};
use prost_types::Timestamp;

use super::{phrases::Phrases, ticket::Ticket, ticket_state::State};

/// How many orders and tickets an answer describes.
pub(crate) const MOST_SHOWN: usize = 3;

/// The subject of a question about the customer's own account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OwnTopic {
    /// Orders.
    Orders,
    /// The subscription.
    Subscription,
    /// Tickets.
    Tickets,
}

impl OwnTopic {
    /// The topic as the customer reads it.
    pub(crate) const fn in_words(self) -> &'static str {
        match self {
            Self::Orders => "orders",
            Self::Subscription => "subscription",
            Self::Tickets => "tickets",
        }
    }
}

/// The lists of phrases.
#[derive(Debug)]
pub(crate) struct OwnPhrases {
    orders: Phrases,
    subscription: Phrases,
    tickets: Phrases,
}

impl OwnPhrases {
    /// The lists that come with the service.
    pub(crate) fn shipped() -> Self {
        Self {
            orders: Phrases::read(include_str!("../../data/own-orders-phrases.txt")),
            subscription: Phrases::read(include_str!("../../data/own-subscription-phrases.txt")),
            tickets: Phrases::read(include_str!("../../data/own-tickets-phrases.txt")),
        }
    }

    /// Which part of the account a message asks about. A message about several gets the first of them.
    pub(crate) fn topic(&self, message: &str) -> Option<OwnTopic> {
        if self.tickets.are_in(message) {
            Some(OwnTopic::Tickets)
        } else if self.orders.are_in(message) {
            Some(OwnTopic::Orders)
        } else if self.subscription.are_in(message) {
            Some(OwnTopic::Subscription)
        } else {
            None
        }
    }
}

/// The orders of the customer, the newest first. `more`: there are older ones.
pub(crate) fn orders(orders: &[Order], more: bool, page: &str) -> String {
    if orders.is_empty() {
        return "There are no orders in your account. If you bought without an account, sign in with the verified address of that order."
            .to_owned();
    }
    let mut sentences: Vec<_> = orders.iter().take(MOST_SHOWN).map(order).collect();
    sentences.push(if more || orders.len() > MOST_SHOWN {
        format!("You find your older orders, and the details of these, at {page}.")
    } else {
        format!("You find the details at {page}.")
    });
    sentences.join("\n\n")
}

/// The state of an order.
fn order(order: &Order) -> String {
    let size = match order.tier() {
        Tier::Starter => "Starter order",
        Tier::Professional => "Professional order",
        Tier::Enterprise => "Enterprise order",
        Tier::Unspecified => "order",
    };
    let begin = format!("Your {size} of {}", day(order.create_time));
    let due = order.due_time.map(|due| format!(" The delivery is due by {}.", moment(Some(due))));
    let due = due.unwrap_or_default();
    match (order.payment_state(), order.fulfilment_state()) {
        (PaymentState::Cancelled, _) => {
            format!("{begin} was not paid: the checkout ended without a payment.")
        }
        (PaymentState::Refunded, _) => format!("{begin} was refunded in full. Nothing more is done for it."),
        (PaymentState::Pending | PaymentState::Unspecified, _) => {
            format!("{begin} waits for the payment, which has not arrived yet.")
        }
        (_, FulfilmentState::Unspecified) => format!("{begin} is paid."),
        (_, FulfilmentState::AwaitingIntake) => format!(
            "{begin} waits for your intake form. The delivery time begins when you submit the complete form."
        ),
        (_, FulfilmentState::IntakeSubmitted) => {
            format!("{begin} is next: we have your intake form, and the delivery time runs.{due}")
        }
        (_, FulfilmentState::InProgress) => format!("{begin} is in progress: we are working on it.{due}"),
        (_, FulfilmentState::RevisionRequested) => {
            format!("{begin} is in revision: we are working on what you requested.{due}")
        }
        (_, FulfilmentState::Delivered) => {
            format!("{begin} was delivered on {}.{}", day(order.deliver_time), revisions(order))
        }
        (_, FulfilmentState::Accepted) => {
            format!("{begin} was delivered on {}, and the work is accepted.", day(order.deliver_time))
        }
        (_, FulfilmentState::Ended) => format!("{begin} has ended. Nothing more is done for it."),
    }
}

/// The customer's possible steps after a delivery.
fn revisions(order: &Order) -> String {
    match (order.revisions_left, order.revision_end_time) {
        (1, Some(end)) => format!(" You can accept it, or request 1 revision until {}.", moment(Some(end))),
        (left, Some(end)) if left > 1 => {
            format!(" You can accept it, or request up to {left} revisions until {}.", moment(Some(end)))
        }
        _ => String::new(),
    }
}

/// The subscription of the customer.
pub(crate) fn subscription(subscription: Option<&Subscription>, page: &str) -> String {
    let Some(subscription) = subscription else { return "You have no subscription.".to_owned() };
    let plan = plan(subscription);
    let renewal = renewal(subscription);
    let text = match subscription.state() {
        SubscriptionState::Unspecified
        | SubscriptionState::Abandoned
        | SubscriptionState::IncompleteExpired => return "You have no subscription.".to_owned(),
        SubscriptionState::Pending => {
            format!("Your subscription to {plan} has not begun: its checkout is not finished.")
        }
        SubscriptionState::Incomplete => {
            format!("Your subscription to {plan} has not begun: the first payment has not succeeded yet.")
        }
        SubscriptionState::Trialing => format!("You are on {plan}, in the free trial.{renewal}"),
        SubscriptionState::Active => format!("You are on {plan}.{renewal}"),
        SubscriptionState::PastDue => {
            format!("You are on {plan}. The last payment failed, and it is tried again.{renewal}")
        }
        SubscriptionState::Unpaid => {
            format!(
                "Your subscription to {plan} is not paid: the last payment failed, and it is not tried again."
            )
        }
        SubscriptionState::Paused => {
            format!("Your subscription to {plan} is paused, because it has no means of payment.")
        }
        SubscriptionState::Canceled => match subscription.end_time {
            Some(end) => {
                format!("You have no subscription. The last one, to {plan}, ended on {}.", day(Some(end)))
            }
            None => format!("You have no subscription. The last one, to {plan}, has ended."),
        },
    };
    format!("{text}\n\nYou find the details at {page}.")
}

/// The plan, how it is paid, and its add-ons.
fn plan(subscription: &Subscription) -> String {
    let plan = match subscription.plan() {
        Plan::Starter => "the Starter plan",
        Plan::Growth => "the Growth plan",
        Plan::Pro => "the Pro plan",
        Plan::Business => "the Business plan",
        Plan::Unspecified => "a plan",
    };
    let term = match subscription.term() {
        Term::Monthly => ", paid monthly",
        Term::Yearly => ", paid yearly",
        Term::Unspecified => "",
    };
    let add_ons: Vec<_> = subscription
        .add_ons()
        .filter_map(|add_on| match add_on {
            AddOn::PrioritySupport => Some("priority support"),
            AddOn::Sla999 => Some("the availability of 99.9 %"),
            AddOn::WhiteLabel => Some("white label"),
            AddOn::Unspecified => None,
        })
        .collect();
    let with = if add_ons.is_empty() { String::new() } else { format!(", with {}", add_ons.join(" and ")) };
    format!("{plan}{term}{with}")
}

/// When a subscription renews, or ends.
fn renewal(subscription: &Subscription) -> String {
    match (subscription.cancel_time, subscription.current_period_end_time) {
        (Some(end), _) => format!(" It is cancelled: it ends on {}, and does not renew.", day(Some(end))),
        (None, Some(end)) => format!(" It renews on {}.", day(Some(end))),
        (None, None) => String::new(),
    }
}

/// The tickets of the customer, the newest first. `more`: there are older ones.
pub(crate) fn tickets(tickets: &[Ticket], more: bool, now: DateTime<Utc>) -> String {
    if tickets.is_empty() {
        return "You have no tickets.".to_owned();
    }
    let mut sentences: Vec<_> = tickets.iter().take(MOST_SHOWN).map(|of| ticket(of, now)).collect();
    if more || tickets.len() > MOST_SHOWN {
        sentences.push("You also have older tickets.".to_owned());
    }
    sentences.join("\n\n")
}

/// The state of a ticket.
fn ticket(ticket: &Ticket, now: DateTime<Utc>) -> String {
    // Its subject may be the words of a stranger who typed the customer's address.
    let begin = format!("Ticket {}", ticket.number);
    if ticket.merged_into.is_some() {
        return format!("{begin} was merged into another ticket of yours.");
    }
    let waits_for_first = ticket.first_reply_time.is_none() && now < ticket.first_reply_due_time;
    match ticket.state {
        State::Open if waits_for_first => {
            let due = ticket.first_reply_due_time.with_timezone(&London);
            format!(
                "{begin} waits for our team. Somebody replies by {}.",
                due.format("%-d %B %Y, %H:%M (London time)")
            )
        }
        State::Open => format!("{begin} waits for our team. Somebody replies as soon as possible."),
        State::Pending => format!("{begin} has our reply, and waits for yours."),
        State::OnHold => format!("{begin} is on hold: it waits for something outside our team."),
        State::Solved => format!("{begin} is solved. If something is left, reply to it, and it opens again."),
        State::Closed => format!("{begin} is closed."),
    }
}

/// A day in London.
fn day(time: Option<Timestamp>) -> String {
    in_london(time, "%-d %B %Y")
}

/// A moment in London.
fn moment(time: Option<Timestamp>) -> String {
    in_london(time, "%-d %B %Y, %H:%M (London time)")
}

fn in_london(time: Option<Timestamp>, format: &str) -> String {
    let time = time.and_then(|time| DateTime::from_timestamp(time.seconds, 0));
    time.map_or_else(
        || "a day that is not known".to_owned(),
        |time| time.with_timezone(&London).format(format).to_string(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::unnecessary_wraps, reason = "the fields of messages are optional")]
    fn at(text: &str) -> Option<Timestamp> {
        let time: DateTime<Utc> = text.parse().expect("a time");
        Some(Timestamp { seconds: time.timestamp(), nanos: 0 })
    }

    #[test]
    fn a_question_about_the_own_account_is_distinguished_from_one_about_the_rules() {
        use OwnTopic::{Orders, Subscription, Tickets};

        let phrases = OwnPhrases::shipped();
        for (message, topic) in [
            ("Where is my order?", Some(Orders)),
            ("where's my order please", Some(Orders)),
            ("Hi, any news about my order? Thanks", Some(Orders)),
            ("What plan am I on?", Some(Subscription)),
            ("which plan do I currently have", Some(Subscription)),
            ("When does my subscription renew?", Some(Subscription)),
            ("What about my ticket?", Some(Tickets)),
            ("Has anyone looked at my ticket yet", Some(Tickets)),
            ("What is the price of the Growth plan?", None),
            ("When does the delivery time begin?", None),
            ("How do I cancel?", None),
            ("my ticket says pending. pending what?", None),
            ("Which plan is right for me?", None),
        ] {
            assert_eq!(phrases.topic(message), topic, "{message}");
        }
    }

    #[test]
    fn an_order_is_described_by_its_payment_and_its_work() {
        let order = |payment: PaymentState, work: FulfilmentState| Order {
            tier: Tier::Professional.into(),
            payment_state: payment.into(),
            fulfilment_state: work.into(),
            create_time: at("2027-06-01T23:30:00Z"),
            due_time: at("2027-06-05T14:00:00Z"),
            deliver_time: at("2027-06-04T10:00:00Z"),
            revision_end_time: at("2027-06-11T10:00:00Z"),
            revisions_left: 2,
            ..Order::default()
        };
        for (payment, work, words) in [
            (PaymentState::Pending, FulfilmentState::Unspecified, "waits for the payment"),
            (PaymentState::Cancelled, FulfilmentState::Unspecified, "was not paid"),
            (PaymentState::Paid, FulfilmentState::AwaitingIntake, "waits for your intake form"),
            (PaymentState::Paid, FulfilmentState::InProgress, "due by 5 June 2027, 15:00 (London time)."),
            (
                PaymentState::PartiallyRefunded,
                FulfilmentState::Delivered,
                "up to 2 revisions until 11 June 2027",
            ),
            (
                PaymentState::Paid,
                FulfilmentState::Accepted,
                "delivered on 4 June 2027, and the work is accepted",
            ),
            (PaymentState::Refunded, FulfilmentState::Ended, "was refunded in full"),
        ] {
            let text = orders(&[order(payment, work)], false, "https://levqor.ai/x");
            assert!(
                text.starts_with("Your Professional order of 2 June 2027 ") && text.contains(words),
                "{text}"
            );
        }
        assert!(orders(&[], false, "").starts_with("There are no orders in your account. "));
    }

    #[test]
    fn a_subscription_says_its_plan_and_when_it_renews_or_ends() {
        let growth = Subscription {
            state: SubscriptionState::Active.into(),
            plan: Plan::Growth.into(),
            term: Term::Yearly.into(),
            add_ons: vec![AddOn::WhiteLabel.into()],
            current_period_end_time: at("2027-06-01T10:00:00Z"),
            ..Subscription::default()
        };
        let text = subscription(Some(&growth), "https://levqor.ai/billing");
        assert!(text.starts_with(
            "You are on the Growth plan, paid yearly, with white label. It renews on 1 June 2027."
        ));
        let ending = Subscription { cancel_time: at("2027-06-01T10:00:00Z"), ..growth.clone() };
        assert!(subscription(Some(&ending), "").contains("it ends on 1 June 2027, and does not renew"));
        let ended = Subscription { state: SubscriptionState::Canceled.into(), ..growth };
        assert!(subscription(Some(&ended), "").starts_with("You have no subscription. The last one"));
        assert_eq!(subscription(None, ""), "You have no subscription.");
    }
}
