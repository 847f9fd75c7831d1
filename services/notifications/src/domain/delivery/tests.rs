//! The rules of delivery, one attempt at a time.

use super::*;

const DAY: KeyMemory = KeyMemory::For(TimeDelta::hours(24));
const NONE: KeyMemory = KeyMemory::For(TimeDelta::zero());

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
}

fn attempt(begin_s: i64, outcome: Option<AttemptOutcome>) -> Attempt {
    Attempt {
        id: AttemptId::new_at(at(begin_s)),
        provider: "resend".to_owned(),
        round: 1,
        idempotency_key: "k".to_owned(),
        begin_time: at(begin_s),
        end: outcome.map(|outcome| (outcome, at(begin_s))),
        detail: String::new(),
    }
}

fn step(attempts: &[Attempt], memory: KeyMemory, now_s: i64) -> Step {
    next_step(attempts, 1, &[Candidate { identity: "resend", memory }], 0, at(now_s))
}

#[test]
fn an_attempt_under_way_is_waited_for_whatever_the_provider_honours() {
    for memory in [KeyMemory::ForGood, DAY, NONE] {
        assert_eq!(step(&[attempt(0, None)], memory, 0), Step::Wait(UNDER_WAY));
        assert_eq!(step(&[attempt(0, None)], memory, 29), Step::Wait(TimeDelta::seconds(1)));
    }
}

#[test]
fn a_mail_that_the_provider_may_have_is_repeated_only_while_its_key_is_valid() {
    for outcome in [None, Some(AttemptOutcome::Ambiguous)] {
        let attempts = [attempt(0, outcome)];
        assert_eq!(step(&attempts, NONE, 60), Step::Doubt(Doubt::NoKeys));
        let last = 24 * 3600 - i64::from(TIMEOUT_S);
        assert_eq!(step(&attempts, DAY, last), Step::HandOver(0));
        assert_eq!(step(&attempts, DAY, last + 1), Step::Doubt(Doubt::KeyForgotten));
        assert_eq!(step(&attempts, KeyMemory::ForGood, last * 1000), Step::HandOver(0));
    }
}

#[test]
fn a_mail_that_the_provider_certainly_lacks_is_repeated_until_it_is_settled() {
    let attempts = [attempt(0, Some(AttemptOutcome::NotAccepted))];
    for memory in [KeyMemory::ForGood, DAY, NONE] {
        assert_eq!(step(&[], memory, 0), Step::HandOver(0));
        assert_eq!(step(&attempts, memory, 100 * 3600), Step::HandOver(0));
    }
}

#[test]
fn the_window_begins_with_the_first_attempt_and_a_later_certainty_does_not_clear_a_doubt() {
    let ambiguous = Some(AttemptOutcome::Ambiguous);
    let not_accepted = Some(AttemptOutcome::NotAccepted);
    let late = [attempt(0, not_accepted), attempt(23 * 3600, ambiguous)];
    assert_eq!(step(&late, DAY, 24 * 3600), Step::Doubt(Doubt::KeyForgotten));
    let then_sure = [attempt(0, ambiguous), attempt(60, not_accepted)];
    assert_eq!(step(&then_sure, NONE, 120), Step::Doubt(Doubt::NoKeys));
    assert_eq!(doubt_about_refusal(&then_sure), Some(Doubt::RefusedLater));
    assert_eq!(doubt_about_refusal(&[attempt(0, not_accepted)]), None);
}

#[test]
fn an_attempt_of_another_round_is_waited_for_and_does_not_decide() {
    let attempts = [attempt(0, None)];
    let step =
        |now_s| next_step(&attempts, 2, &[Candidate { identity: "resend", memory: NONE }], 0, at(now_s));
    assert_eq!(step(29), Step::Wait(TimeDelta::seconds(1)));
    assert_eq!(step(30), Step::HandOver(0));
}

#[test]
fn a_message_that_was_given_up_has_failed_unless_the_provider_may_have_it() {
    let (not_accepted, refused) = (Some(AttemptOutcome::NotAccepted), Some(AttemptOutcome::Refused));
    let clear = [attempt(0, not_accepted), attempt(60, not_accepted)];
    let Outcome::Failed { failure } = outcome_of_giving_up(&clear, 25, "UNAVAILABLE") else {
        panic!("it failed")
    };
    assert_eq!(failure, "its delivery was given up after 25 tries: UNAVAILABLE");
    assert!(is_open_still(&clear) && is_open_still(&[]));
    for unclear in [None, Some(AttemptOutcome::Ambiguous)] {
        let attempts = [attempt(0, not_accepted), attempt(60, unclear)];
        assert!(matches!(outcome_of_giving_up(&attempts, 25, "X"), Outcome::InDoubt { .. }));
        assert!(!is_open_still(&attempts));
    }
    assert!(!is_open_still(&[attempt(0, refused)]));
}

#[test]
fn another_provider_knows_no_key_of_ours() {
    let attempts = [attempt(0, Some(AttemptOutcome::Ambiguous))];
    let mailbox = Candidate { identity: "mailbox", memory: KeyMemory::ForGood };
    let step = next_step(&attempts, 1, &[mailbox], 0, at(60));
    assert_eq!(step, Step::Doubt(Doubt::OtherProvider));
}

#[test]
fn another_provider_gets_a_message_only_if_the_first_certainly_does_not_have_it() {
    let candidates =
        [Candidate { identity: "resend", memory: DAY }, Candidate { identity: "smtp", memory: NONE }];
    let step = |attempts: &[Attempt], preferred| next_step(attempts, 1, &candidates, preferred, at(60));
    let of = |provider: &str, outcome| Attempt { provider: provider.to_owned(), ..attempt(0, outcome) };
    let (ambiguous, not_accepted) = (Some(AttemptOutcome::Ambiguous), Some(AttemptOutcome::NotAccepted));
    assert_eq!(step(&[], 0), Step::HandOver(0));
    assert_eq!(step(&[of("resend", not_accepted)], 1), Step::HandOver(1));
    // Resend may have it and honours keys, so it is asked again, whichever provider is preferred.
    for preferred in [0, 1] {
        assert_eq!(step(&[of("resend", ambiguous)], preferred), Step::HandOver(0));
        assert_eq!(step(&[of("resend", None)], preferred), Step::HandOver(0));
        assert_eq!(step(&[of("smtp", ambiguous)], preferred), Step::Doubt(Doubt::NoKeys));
        let both = [of("resend", ambiguous), of("smtp", ambiguous)];
        assert_eq!(step(&both, preferred), Step::Doubt(Doubt::OtherProvider));
    }
}

#[test]
fn a_cancelled_mail_is_in_doubt_if_a_provider_may_have_it() {
    let stopped = || Outcome::Cancelled { reason: "INVOICE_PAID".to_owned() };
    let not_accepted = attempt(0, Some(AttemptOutcome::NotAccepted));
    assert_eq!(outcome_of_stopping(&[], stopped()), stopped());
    assert_eq!(outcome_of_stopping(std::slice::from_ref(&not_accepted), stopped()), stopped());
    let unclear = [not_accepted, attempt(60, Some(AttemptOutcome::Ambiguous))];
    assert!(matches!(outcome_of_stopping(&unclear, stopped()), Outcome::InDoubt { .. }));
}

#[test]
fn hours_are_a_small_number() {
    assert_eq!("24".parse::<KeyHours>().expect("hours").memory(), DAY);
    assert_eq!("0".parse::<KeyHours>().expect("hours").memory(), NONE);
    for text in ["", "-1", "1.5", "a day", "99999"] {
        assert!(text.parse::<KeyHours>().is_err(), "{text}");
    }
}

#[test]
fn only_an_answer_of_the_same_provider_and_round_counts() {
    let lost = |provider: &str, round| Attempt {
        provider: provider.to_owned(),
        round,
        ..attempt(0, Some(AttemptOutcome::Ambiguous))
    };
    for (attempts, expected) in [
        (vec![], None),
        (vec![attempt(0, Some(AttemptOutcome::NotAccepted))], None),
        (vec![lost("smtp:1", 1), lost("resend:1", 2)], None),
        (vec![lost("resend:1", 1), lost("smtp:1", 1)], Some(Awaited::Lost)),
        (vec![attempt(0, None)], Some(Awaited::Lost)),
        (vec![lost("resend:1", 1), attempt(1, None)], Some(Awaited::UnderWay)),
    ] {
        assert_eq!(awaited(&attempts, 1, "resend", at(30)), expected, "{attempts:?}");
    }
}
