//! Tests of an order: the effects of Stripe's events, and of the steps of the work.

use chrono::TimeDelta;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::domain::{checkout_session::CheckoutSession, stripe_event::SessionEvent};

fn at(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(second, 0).expect("an instant")
}

/// Sales of one session, each with its time.
type Story = Vec<(Sale, i64)>;

/// Applies a list of sales of one session. Returns the order, and how often it became paid.
fn play(sales: &[(Sale, i64)]) -> (Option<Order>, usize) {
    let (mut order, mut payments) = (None::<Order>, 0);
    for (sale, second) in sales {
        order = order.or_else(|| Order::open(sale, at(0)));
        let change = order.as_mut().map(|order| order.apply(sale, at(*second), at(9)));
        payments += usize::from(change == Some(Change::BecamePaid));
    }
    (order, payments)
}

fn sale(event: SessionEvent, status: &str, payment_status: &str) -> Sale {
    let object = json!({
        "id": "cs_1", "mode": "payment", "status": status, "payment_status": payment_status, "currency": "gbp",
        "amount_subtotal": 24900, "amount_total": 24900, "metadata": {"mode": "dfy", "plan": "professional"},
        "customer_details": {"email": "a@example.com"},
    });
    let session = CheckoutSession::read(&object).expect("a session");
    Sale::read(&session, event, &[]).expect("understood")
}

fn any_sale() -> impl Strategy<Value = Sale> {
    let events = vec![
        SessionEvent::Completed,
        SessionEvent::AsyncPaymentSucceeded,
        SessionEvent::AsyncPaymentFailed,
        SessionEvent::Expired,
    ];
    let statuses = vec!["open", "complete", "expired"];
    let payments = vec!["paid", "unpaid", "no_payment_required"];
    let parts =
        (prop::sample::select(events), prop::sample::select(statuses), prop::sample::select(payments));
    parts.prop_map(|(event, status, payment_status)| sale(event, status, payment_status))
}

/// A session's events, each with its own time, and the same events shuffled, some of them repeated.
fn twice_told() -> impl Strategy<Value = (Story, Story)> {
    prop::collection::vec(any_sale(), 1..6).prop_flat_map(|sales| {
        let sales: Vec<_> = sales.into_iter().zip(1..).collect();
        let doubled = prop::collection::vec(prop::sample::select(sales.clone()), 0..6).prop_map({
            let sales = sales.clone();
            move |more| [sales.clone(), more].concat()
        });
        (Just(sales), doubled.prop_shuffle())
    })
}

proptest! {
    #[test]
    fn late_doubled_and_shuffled_events_end_the_same((told, retold) in twice_told()) {
        let ((order, payments), (again, payments_again)) = (play(&told), play(&retold));
        let outcome = |order: Option<Order>| order.map(|o| (o.payment_state, o.fulfilment_state, o.paid_minor, o.terms, o.pay_time));
        prop_assert_eq!(outcome(order), outcome(again));
        prop_assert_eq!(payments, payments_again);
        prop_assert!(payments <= 1, "the money comes once");
    }

    #[test]
    fn a_paid_order_never_goes_back(told in prop::collection::vec(any_sale(), 0..6)) {
        let mut order = Order::open(&told.first().cloned().unwrap_or_else(paid), at(0)).expect("an order");
        order.apply(&paid(), at(1), at(1));
        for (sale, second) in told.iter().zip(2..) {
            prop_assert_eq!(order.apply(sale, at(second), at(second)), Change::None);
        }
        prop_assert_eq!((order.payment_state, order.pay_time), (PaymentState::Paid, Some(at(1))));
    }
}

fn paid() -> Sale {
    sale(SessionEvent::Completed, "complete", "paid")
}

#[test]
fn a_cancelled_checkout_moves_only_an_unpaid_order() {
    let cancelled = sale(SessionEvent::AsyncPaymentFailed, "complete", "unpaid");
    let (order, payments) =
        play(&[(sale(SessionEvent::Completed, "complete", "unpaid"), 1), (cancelled.clone(), 2)]);
    assert_eq!(
        (order.map(|o| (o.payment_state, o.pay_time)), payments),
        (Some((PaymentState::Cancelled, None)), 0)
    );
    let (order, payments) = play(&[(paid(), 1), (cancelled, 2)]);
    assert_eq!((order.map(|order| order.payment_state), payments), (Some(PaymentState::Paid), 1));
}

#[test]
fn a_checkout_that_ended_before_it_had_terms_opens_no_order() {
    let sale = Sale { terms: None, ..sale(SessionEvent::Expired, "expired", "unpaid") };
    assert!(play(&[(sale, 1)]).0.is_none());
}

/// A Professional order that was paid at second 0.
fn paid_order() -> Order {
    let mut order = Order::open(&paid(), at(0)).expect("an order");
    assert_eq!(order.apply(&paid(), at(0), at(0)), Change::BecamePaid);
    order
}

#[test]
fn refunds_only_rise_and_never_exceed_the_paid_amount() {
    let mut order = paid_order();
    let states = [
        (0, Ok(Change::None), PaymentState::Paid),
        (100, Ok(Change::Moved), PaymentState::PartiallyRefunded),
        (100, Ok(Change::None), PaymentState::PartiallyRefunded),
        (99, Ok(Change::None), PaymentState::PartiallyRefunded),
        (24_901, Err(RefundAbovePayment), PaymentState::PartiallyRefunded),
        (24_900, Ok(Change::Moved), PaymentState::Refunded),
        (100, Ok(Change::None), PaymentState::Refunded),
    ];
    for (total, change, state) in states {
        assert_eq!((order.refunded(total, at(1)), order.payment_state), (change, state), "{total}");
    }
    assert_eq!((order.refunded_minor, order.fulfilment_state), (24_900, Some(FulfilmentState::Ended)));
    assert_eq!(order.apply(&paid(), at(2), at(2)), Change::None, "the sale's late event changes nothing");
    assert_eq!(order.payment_state, PaymentState::Refunded);
    let mut unpaid = Order::open(&paid(), at(0)).expect("an order");
    assert_eq!(unpaid.refunded(1, at(1)), Err(RefundAbovePayment));
}

#[test]
fn a_dispute_is_beside_the_payment_and_the_work() {
    let mut order = paid_order();
    assert_eq!(order.disputed(DisputeState::Lost, at(1)), Change::Moved);
    assert_eq!(order.disputed(DisputeState::Open, at(2)), Change::None, "it comes late");
    assert_eq!((order.dispute_state, order.payment_state), (DisputeState::Lost, PaymentState::Paid));
    assert_eq!(order.fulfilment_state, Some(FulfilmentState::AwaitingIntake));
    let mut unpaid = Order::open(&paid(), at(0)).expect("an order");
    assert_eq!(unpaid.disputed(DisputeState::Open, at(1)), Change::None);
}

#[test]
fn work_goes_from_intake_to_acceptance_and_back_for_each_revision() {
    let mut order = paid_order();
    assert_eq!(order.submit_intake(at(10)), Ok(()));
    assert_eq!((order.submit_time, order.due_time), (Some(at(10)), Some(at(10) + TimeDelta::days(4))));
    for round in 1..=2 {
        assert_eq!(
            (order.start(at(20)), order.deliver(at(30)), order.accept(at(40))),
            (Ok(()), Ok(()), Ok(()))
        );
        assert_eq!((order.deliver_time, order.accept_time), (Some(at(30)), Some(at(40))));
        assert_eq!(order.request_revision(at(50)), Ok(()));
        assert_eq!((order.revisions_left, order.accept_time), (2 - round, None));
        assert_eq!(order.due_time, Some(at(50) + TimeDelta::days(4)), "a revision has the delivery time too");
    }
    assert_eq!((order.start(at(60)), order.deliver(at(70))), (Ok(()), Ok(())));
    assert_eq!(order.request_revision(at(80)), Err(NotPossible::NoRevisionsLeft));
    assert_eq!(order.fulfilment_state, Some(FulfilmentState::Delivered), "what is refused changes nothing");
}

#[test]
fn a_revision_can_be_requested_until_day_14_and_silence_accepts_on_day_7() {
    let mut order = paid_order();
    assert_eq!(
        (order.submit_intake(at(0)), order.start(at(0)), order.deliver(at(0))),
        (Ok(()), Ok(()), Ok(()))
    );
    let day = |days| at(0) + TimeDelta::days(days);
    let second = TimeDelta::seconds(1);
    assert!(!order.is_silently_accepted(day(7) - second) && order.is_silently_accepted(day(7)));
    assert_eq!(order.accept(day(7)), Ok(()));
    assert!(!order.is_silently_accepted(day(8)), "it is accepted already");
    assert_eq!(order.clone().request_revision(day(14) - second), Ok(()));
    assert_eq!(order.request_revision(day(14)), Err(NotPossible::RevisionPeriodOver));
}

#[test]
fn operators_get_one_notice_of_each_overdue_delivery() {
    let mut order = paid_order();
    assert!(!order.report_overdue(at(0)), "nothing is owed before the intake form");
    assert_eq!(order.submit_intake(at(0)), Ok(()));
    let day = |days| at(0) + TimeDelta::days(days);
    let told = [day(3), day(4), day(5)].map(|now| order.report_overdue(now));
    assert_eq!(told, [false, true, false]);
    assert_eq!((order.start(day(5)), order.deliver(day(5))), (Ok(()), Ok(())));
    assert!(!order.report_overdue(day(6)), "it is delivered");
    assert_eq!(order.request_revision(day(6)), Ok(()));
    assert!(!order.report_overdue(day(9)) && order.report_overdue(day(10)), "the revision has its own time");
}

#[test]
fn an_order_that_is_not_paid_has_no_work() {
    let mut order = Order::open(&paid(), at(0)).expect("an order");
    assert_eq!(order.submit_intake(at(1)), Err(NotPossible::NotPaid));
    assert_eq!(order.start(at(1)), Err(NotPossible::NotPaid));
    assert_eq!(order.deliver(at(1)), Err(NotPossible::NotPaid));
    assert_eq!(order.request_revision(at(1)), Err(NotPossible::NotPaid));
    assert_eq!(order.accept(at(1)), Err(NotPossible::NotPaid));
}

#[test]
fn a_checklist_names_its_open_points() {
    let all = Checklist { tested: true, error_free: true, naming: true, documented: true };
    assert_eq!(all.open_points().count(), 0);
    let open = Checklist { error_free: false, documented: false, ..all };
    assert_eq!(open.open_points().collect::<Vec<_>>(), ["error_free", "documented"]);
}

/// News of a payment: the fact, and Stripe's amount.
#[derive(Debug, Clone, Copy)]
enum News {
    Abandoned,
    Sold(&'static str, &'static str),
    Refunded(i64),
    Disputed(DisputeState),
}

#[test]
fn every_pair_of_payment_state_and_news_raises_the_state_or_changes_nothing() {
    use DisputeState::{Lost, Open, Won};
    use News::{Abandoned, Disputed, Refunded, Sold};
    use PaymentState::{Cancelled, Paid, PartiallyRefunded, Pending, Refunded as AllBack};
    const NEWS: [News; 11] = [
        Abandoned,
        Sold("complete", "unpaid"),
        Sold("expired", "unpaid"),
        Sold("complete", "paid"),
        Refunded(0),
        Refunded(500),
        Refunded(24_900),
        Refunded(24_901),
        Disputed(Open),
        Disputed(Won),
        Disputed(Lost),
    ];
    // The payment's state after each news, by the state before. Refunds and disputes of a payment that was never paid change nothing.
    let table = [
        (
            Pending,
            [
                Cancelled, Pending, Cancelled, Paid, Pending, Pending, Pending, Pending, Pending, Pending,
                Pending,
            ],
        ),
        (
            Cancelled,
            [
                Cancelled, Cancelled, Cancelled, Paid, Cancelled, Cancelled, Cancelled, Cancelled, Cancelled,
                Cancelled, Cancelled,
            ],
        ),
        (Paid, [Paid, Paid, Paid, Paid, Paid, PartiallyRefunded, AllBack, Paid, Paid, Paid, Paid]),
        (
            PartiallyRefunded,
            [
                PartiallyRefunded,
                PartiallyRefunded,
                PartiallyRefunded,
                PartiallyRefunded,
                PartiallyRefunded,
                PartiallyRefunded,
                AllBack,
                PartiallyRefunded,
                PartiallyRefunded,
                PartiallyRefunded,
                PartiallyRefunded,
            ],
        ),
        (AllBack, [AllBack; 11]),
    ];
    assert_eq!(table.each_ref().map(|(from, _)| *from), PaymentState::ALL);
    for (from, after) in table {
        for (news, expected) in NEWS.into_iter().zip(after) {
            let mut order = in_payment_state(from);
            let before = order.clone();
            let (refused, moved) = match news {
                Abandoned => (false, order.abandon(at(5))),
                Sold(status, payment) => {
                    let sale = sale(SessionEvent::Completed, status, payment);
                    (false, order.apply(&sale, at(5), at(5)) != Change::None)
                }
                Refunded(total) => match order.refunded(total, at(5)) {
                    Ok(change) => (false, change != Change::None),
                    Err(RefundAbovePayment) => (true, false),
                },
                Disputed(state) => (false, order.disputed(state, at(5)) != Change::None),
            };
            assert_eq!(order.payment_state, expected, "{from:?} and {news:?}");
            let is_dispute = matches!(news, Disputed(_));
            let changed =
                order.payment_state != before.payment_state || order.dispute_state != before.dispute_state;
            assert_eq!(moved, changed, "{from:?} and {news:?}: a change is told, and nothing else is");
            assert!(!is_dispute || moved == from.is_paid(), "only a payment can be disputed: {from:?}");
            let above =
                matches!(news, Refunded(total) if total > before.paid_minor.max(before.refunded_minor));
            assert_eq!(refused, above, "{from:?} and {news:?}: more than came in is refused with a reason");
        }
    }
}

/// An order in this state.
fn in_payment_state(state: PaymentState) -> Order {
    let mut order = Order::open(&paid(), at(0)).expect("an order");
    match state {
        PaymentState::Pending => {}
        PaymentState::Cancelled => assert!(order.abandon(at(1))),
        PaymentState::Paid | PaymentState::PartiallyRefunded | PaymentState::Refunded => {
            assert_eq!(order.apply(&paid(), at(1), at(1)), Change::BecamePaid);
        }
    }
    let back = match state {
        PaymentState::PartiallyRefunded => 500,
        PaymentState::Refunded => 24_900,
        PaymentState::Pending | PaymentState::Cancelled | PaymentState::Paid => 0,
    };
    assert!(order.refunded(back, at(2)).is_ok());
    assert_eq!(order.payment_state, state);
    order
}
