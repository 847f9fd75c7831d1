//! Tables of cases for the rules: until when a customer can withdraw, how much is paid back, and why a withdrawal is refused.

use super::*;

/// An instant in the form `2026-11-02T10:00:00Z`.
fn at(text: &str) -> DateTime<Utc> {
    text.parse().expect("an instant")
}

/// An order of 99 pounds, concluded and paid at this time.
fn contract(paid_at: &str) -> Contract {
    Contract {
        about: About::Order("0190b2c4-0000-7000-8000-000000000000".parse().expect("an id")),
        item: "Starter, done for you".to_owned(),
        conclusion: Some(at(paid_at)),
        pay_time: Some(at(paid_at)),
        paid: Money::pence(9900),
        refunded: 0,
        ended: false,
        start_at_once: true,
        provided: Provided::NOTHING,
    }
}

/// The rule and the amount, or the refusal.
fn verdict(contract: &Contract, now: &str) -> Result<(Rule, i64), Refusal> {
    let verdict = contract.offer(at(now)).verdict;
    verdict.map(|possible| (possible.rule, possible.amount.minor_units))
}

#[test]
fn the_14_days_are_whole_days_in_london_after_the_day_of_the_event() {
    for (event, counts, prolongs) in [
        // A Monday: the last day is a Monday.
        ("2026-11-02T10:00:00Z", "2026-11-17T00:00:00Z", "2026-11-17T00:00:00Z"),
        // The hour of the event does not matter.
        ("2026-11-02T00:00:00Z", "2026-11-17T00:00:00Z", "2026-11-17T00:00:00Z"),
        ("2026-11-02T23:59:59Z", "2026-11-17T00:00:00Z", "2026-11-17T00:00:00Z"),
        // In summer London's day begins at 23 o'clock UTC.
        ("2026-06-01T22:59:59Z", "2026-06-15T23:00:00Z", "2026-06-15T23:00:00Z"),
        ("2026-06-01T23:00:00Z", "2026-06-16T23:00:00Z", "2026-06-16T23:00:00Z"),
        // The clocks change within the period.
        ("2026-10-20T10:00:00Z", "2026-11-04T00:00:00Z", "2026-11-04T00:00:00Z"),
        ("2026-03-23T10:00:00Z", "2026-04-06T23:00:00Z", "2026-04-06T23:00:00Z"),
        // A Saturday and a Sunday.
        ("2026-11-07T10:00:00Z", "2026-11-22T00:00:00Z", "2026-11-24T00:00:00Z"),
        ("2026-11-08T10:00:00Z", "2026-11-23T00:00:00Z", "2026-11-24T00:00:00Z"),
        // The year changes.
        ("2026-12-21T10:00:00Z", "2027-01-05T00:00:00Z", "2027-01-05T00:00:00Z"),
    ] {
        assert_eq!(end_of_14_days(at(event), Weekend::Counts), at(counts), "{event}");
        assert_eq!(end_of_14_days(at(event), Weekend::Prolongs), at(prolongs), "{event}");
    }
}

#[test]
fn the_customer_gets_the_better_of_both_rules() {
    use Rule::{Guarantee, Right};
    let half = Provided { done: 1, all: 2 };
    let over = |end: &str| Err(Refusal::PeriodOver(at(end)));
    // Paid on a Saturday: the guarantee ends on the 21st, the right on Monday the 23rd.
    let saturday = contract("2026-11-07T10:00:00Z");
    let (within, weekend, late) = ("2026-11-21T23:59:59Z", "2026-11-22T00:00:00Z", "2026-11-24T00:00:00Z");
    let monday = "2026-11-24T00:00:00Z";
    for (start_at_once, provided, now, expected) in [
        (true, Provided::NOTHING, within, Ok((Guarantee, 9900))),
        (true, half, within, Ok((Guarantee, 9900))),
        (true, Provided::ALL, within, Ok((Guarantee, 9900))),
        (false, Provided::ALL, within, Ok((Guarantee, 9900))),
        (true, Provided::NOTHING, weekend, Ok((Right, 9900))),
        // Less than everything is paid back only if the customer asked for a start at once.
        (true, half, weekend, Ok((Right, 4950))),
        (true, Provided { done: 1, all: 3 }, weekend, Ok((Right, 6600))),
        (false, half, weekend, Ok((Right, 9900))),
        (false, Provided::ALL, weekend, Ok((Right, 9900))),
        // If the customer asked for a start at once and everything was provided, the right of withdrawal has ended.
        (true, Provided::ALL, weekend, over("2026-11-22T00:00:00Z")),
        (true, half, late, over(monday)),
        (false, Provided::NOTHING, late, over(monday)),
    ] {
        let contract = Contract { start_at_once, provided, ..saturday.clone() };
        assert_eq!(verdict(&contract, now), expected, "{start_at_once}, {provided:?}, {now}");
    }
}

#[test]
fn the_guarantee_runs_from_the_first_payment_and_the_right_from_the_contract() {
    let debit = Contract { pay_time: Some(at("2026-11-06T10:00:00Z")), ..contract("2026-11-02T10:00:00Z") };
    let offer = debit.offer(at("2026-11-20T10:00:00Z"));
    assert_eq!(offer.end_time, Some(at("2026-11-21T00:00:00Z")));
    assert_eq!(verdict(&debit, "2026-11-20T10:00:00Z"), Ok((Rule::Guarantee, 9900)));
    // In a trial nothing is paid back.
    let trial = Contract { pay_time: None, paid: Money::pence(0), ..contract("2026-11-02T10:00:00Z") };
    assert_eq!(verdict(&trial, "2026-11-03T10:00:00Z"), Ok((Rule::Guarantee, 0)));
}

#[test]
fn a_refusal_names_the_reason_and_the_end_of_the_period() {
    let paid = contract("2026-11-02T10:00:00Z");
    for (contract, expected, words) in [
        (
            Contract { conclusion: None, ..paid.clone() },
            Refusal::NotPaid,
            "there is no contract yet, because nothing was paid",
        ),
        (Contract { ended: true, ..paid.clone() }, Refusal::Ended, "the contract has ended already"),
        (
            Contract { refunded: 9900, ended: true, ..paid.clone() },
            Refusal::NothingLeft,
            "everything that was paid is paid back already",
        ),
    ] {
        let refused = verdict(&contract, "2026-11-03T10:00:00Z").expect_err(words);
        assert_eq!((refused, refused.to_string().as_str()), (expected, words));
    }
    let refused = verdict(&paid, "2026-11-17T00:00:00Z").expect_err("late");
    assert_eq!(refused.to_string(), "a withdrawal was possible until the end of 16 November 2026");
    assert!(verdict(&paid, "2026-11-16T23:59:59Z").is_ok());
}

#[test]
fn an_amount_is_paid_back_once() {
    let paid = contract("2026-11-07T10:00:00Z");
    for (refunded, provided, now, expected) in [
        (900, Provided::ALL, "2026-11-08T10:00:00Z", 9000),
        (900, Provided { done: 1, all: 2 }, "2026-11-22T10:00:00Z", 4050),
        // More was paid back already than the rule gives.
        (6000, Provided { done: 1, all: 2 }, "2026-11-22T10:00:00Z", 0),
    ] {
        let contract = Contract { refunded, provided, ..paid.clone() };
        assert_eq!(verdict(&contract, now).map(|(_, amount)| amount), Ok(expected), "{refunded}");
    }
}

#[test]
fn the_etag_covers_everything_that_is_confirmed() {
    let paid = contract("2026-11-02T10:00:00Z");
    let etag = |contract: &Contract| {
        let possible = contract.offer(at("2026-11-03T10:00:00Z")).verdict.expect("possible");
        assert_eq!(possible.etag.len(), 32);
        possible.etag
    };
    let (first, later) = (etag(&paid), paid.offer(at("2026-11-10T10:00:00Z")).verdict.expect("possible"));
    assert_eq!(first, later.etag, "it stays as long as nothing changes");
    for other in [
        Contract { refunded: 1, ..paid.clone() },
        Contract { item: "Professional, done for you".to_owned(), ..paid.clone() },
        contract("2026-11-01T10:00:00Z"),
        Contract { paid: Money { currency: "EUR".to_owned(), minor_units: 9900 }, ..paid.clone() },
    ] {
        assert_ne!(first, etag(&other), "{other:?}");
    }
}

#[test]
fn every_pair_of_state_and_step_is_taken_or_refused_with_a_reason() {
    use State::{Completed, Failed, Requested, Waiting};
    for (state, expected) in [
        (Requested, [Ok(Waiting), Ok(Requested), Ok(Completed)]),
        (Waiting, [Ok(Waiting), Ok(Requested), Ok(Completed)]),
        (Failed, [Ok(Waiting), Ok(Requested), Err(IllegalStep::Failed)]),
        (Completed, [Ok(Waiting), Err(IllegalStep::Completed), Ok(Completed)]),
    ] {
        for (step, expected) in [Step::Wait, Step::PayBack, Step::Close].into_iter().zip(expected) {
            let begin = at("2026-11-03T10:00:00Z");
            let possible = contract("2026-11-02T10:00:00Z").offer(begin).verdict.expect("possible");
            let about = contract("2026-11-02T10:00:00Z").about;
            let mut withdrawal = Withdrawal { state, ..Withdrawal::new(about, possible, begin) };
            let taken = withdrawal.take(step, at("2026-11-04T10:00:00Z"));
            assert_eq!(taken, expected.map(|after| after != state), "{state:?}, {step:?}");
            assert_eq!(withdrawal.state, expected.unwrap_or(state), "{state:?}, {step:?}");
            assert_eq!(withdrawal.update_time == begin, taken != Ok(true), "{state:?}, {step:?}");
        }
    }
    assert_eq!(IllegalStep::Completed.to_string(), "the withdrawal is completed: its money was paid back");
}

#[test]
fn the_state_follows_from_the_refunds() {
    use refund::State::{Canceled, Failed, Pending, Requested, Succeeded};
    let now = at("2026-11-03T10:00:00Z");
    let refund = |(state, amount): &(refund::State, i64)| Refund {
        id: refund::RefundId::new_at(now),
        order_id: None,
        stripe_payment_intent_id: None,
        stripe_refund_id: None,
        state: *state,
        amount: Money::pence(*amount),
        reason: String::new(),
        origin: refund::Origin::Customer,
        failure: None,
        told: false,
        made_time: None,
        create_time: now,
        update_time: now,
    };
    for (refunds, expected) in [
        (vec![(Requested, 9900)], State::Requested),
        (vec![(Pending, 9900)], State::Requested),
        (vec![(Succeeded, 9900)], State::Completed),
        (vec![(Succeeded, 900), (Pending, 9000)], State::Requested),
        (vec![(Succeeded, 900), (Succeeded, 9000)], State::Completed),
        (vec![(Failed, 9900)], State::Failed),
        (vec![(Canceled, 9900)], State::Failed),
        (vec![(Succeeded, 900), (Failed, 9000)], State::Failed),
        // A second refund after the first one failed.
        (vec![(Failed, 9900), (Requested, 9900)], State::Requested),
        (vec![(Failed, 9900), (Succeeded, 9900)], State::Completed),
        (vec![], State::Failed),
    ] {
        let possible = contract("2026-11-02T10:00:00Z").offer(now).verdict.expect("possible");
        let mut withdrawal = Withdrawal::new(contract("2026-11-02T10:00:00Z").about, possible, now);
        let refunds_of: Vec<_> = refunds.iter().map(refund).collect();
        let is_news = withdrawal.follow(&refunds_of, now);
        assert_eq!((withdrawal.state, is_news), (expected, expected != State::Requested), "{refunds:?}");
    }
}
