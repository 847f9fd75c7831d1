//! The pace, simulated: two replicas that look for due calls twice a second, by a clock of the test.

use std::collections::BTreeMap;

use proptest::{collection::vec, prelude::*};

use super::*;

/// How often a replica looks for due calls, in milliseconds.
const LOOKS: i64 = 500;

fn at(millis: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(1_800_000_000_000 + millis).expect("an instant")
}

/// For each mail: when it was due first, and when it was sent.
#[derive(Default)]
struct Sent {
    marketing: Vec<DateTime<Utc>>,
    other: Vec<(DateTime<Utc>, DateTime<Utc>)>,
    calls: usize,
}

impl Sent {
    fn all(&self) -> Vec<DateTime<Utc>> {
        let mut all: Vec<_> =
            self.marketing.iter().copied().chain(self.other.iter().map(|(_, left)| *left)).collect();
        all.sort();
        all
    }
}

/// Sends this many marketing mails, and another mail at each of these times (in milliseconds).
fn send(rate: &str, marketing: usize, others: &[i64]) -> Sent {
    let interval = rate.parse::<Rate>().expect("a rate").interval().expect("a limit");
    // By due time; the second number keeps the order of mails that are due together.
    let mut due = BTreeMap::new();
    for n in 0..marketing {
        due.insert((at(0), n), (Class::Marketing, at(0)));
    }
    for (n, time) in others.iter().enumerate() {
        due.insert((at(*time), marketing + n), (Class::Transactional, at(*time)));
    }
    let (mut pace, mut sent, mut now) = (Pace::UNUSED, Sent::default(), at(0));
    while let Some(entry) = due.first_entry() {
        let (time, n) = *entry.key();
        let (class, first) = entry.remove();
        // A call that is due later is found when the next replica looks: they look one after the other. The first call of a
        // mail is made at once: its commit wakes the worker.
        let looks = TimeDelta::milliseconds(LOOKS / 2).num_milliseconds();
        let found = (time - at(0)).num_milliseconds().div_euclid(looks) * looks + looks;
        now = if time == first { now.max(time) } else { now.max(at(found)) };
        sent.calls += 1;
        match pace.turn(class, interval, now) {
            Turn::Slot(slot) if class == Class::Marketing => sent.marketing.push(slot),
            Turn::Slot(slot) => sent.other.push((first, slot)),
            Turn::ComeBack(time) => drop(due.insert((time, n), (class, first))),
        }
    }
    sent
}

/// The most mails that leave within a minute.
fn most_in_a_minute(all: &[DateTime<Utc>]) -> usize {
    let within = |from: &DateTime<Utc>| {
        all.iter().filter(|time| **time >= *from && **time < *from + TimeDelta::minutes(1)).count()
    };
    all.iter().step_by(7).map(within).max().unwrap_or_default()
}

#[test]
fn ten_thousand_marketing_mails_leave_at_their_pace_and_a_receipt_does_not_wait_for_them() {
    let receipts: Vec<_> = (0..90).map(|n| 1_000 + n * 10_037).collect();
    let sent = send("10", 10_000, &receipts);
    let all = sent.all();
    assert_eq!((sent.marketing.len(), sent.other.len()), (10_000, 90));
    assert!(all.windows(2).all(|pair| pair[1] - pair[0] >= TimeDelta::milliseconds(100)), "two in one slot");
    assert!(most_in_a_minute(&all) <= 601, "{}", most_in_a_minute(&all));
    let took = *all.last().expect("mails") - at(0);
    assert!(took < TimeDelta::seconds(1_100), "the pace is used: {took}");
    for (due, left) in &sent.other {
        assert!(*left - *due <= TimeDelta::seconds(1), "a receipt waited for {}", *left - *due);
    }
    assert!(sent.calls < 4 * 10_090, "{} calls", sent.calls);
}

#[test]
fn a_slow_pace_gives_the_next_slot_to_a_receipt() {
    let sent = send("0.5", 50, &[100, 20_100, 40_100]);
    for (due, left) in &sent.other {
        assert!(*left - *due <= TimeDelta::milliseconds(2_500), "a receipt waited for {}", *left - *due);
    }
    assert!(most_in_a_minute(&sent.all()) <= 31);
}

#[test]
fn a_rate_is_a_number_a_second() {
    let interval = |text: &str| text.parse::<Rate>().ok().map(Rate::interval);
    assert_eq!(interval("5"), Some(Some(TimeDelta::milliseconds(200))));
    assert_eq!(interval("0.5"), Some(Some(TimeDelta::seconds(2))));
    assert_eq!(interval("0"), Some(None));
    for text in ["", "-1", "five", "1001", "0.001", "NaN", "inf"] {
        assert_eq!(interval(text), None, "{text}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn no_two_mails_have_one_slot_and_none_is_forgotten(
        marketing in 0..200usize,
        others in vec(0..20_000i64, 0..80),
        rate in prop::sample::select(vec!["1", "5", "10", "100"]),
    ) {
        let sent = send(rate, marketing, &others);
        let interval = rate.parse::<Rate>().expect("a rate").interval().expect("a limit");
        let all = sent.all();
        prop_assert_eq!(all.len(), marketing + others.len());
        prop_assert!(all.windows(2).all(|pair| pair[1] - pair[0] >= interval));
    }
}
