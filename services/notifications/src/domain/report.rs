//! The delivery reports of a provider about a message that it took. The set of reports only grows, so their order and their
//! repetition do not matter.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use levqor_proto_notifications::v1 as wire;
use levqor_runtime::wire_enum;

use super::reply::ReplyClass;

wire_enum! {
    /// The outcome of a message. Each outcome is graver than the one before it. A message shows the gravest outcome, not the
    /// latest: the times come from several clocks.
    #[derive(PartialOrd, Ord, Hash)]
    pub enum DeliveryOutcome: wire::DeliveryOutcome {
        /// The recipient's server has not taken the message yet.
        Delayed = "DELAYED",
        /// The recipient's server took the message.
        Delivered = "DELIVERED",
        /// The provider could not send the message.
        Failed = "FAILED",
        /// The recipient's server did not take the message, for a temporary reason.
        BouncedSoft = "BOUNCED_SOFT",
        /// The provider did not try, because the address bounced or complained before.
        Suppressed = "SUPPRESSED",
        /// The recipient's server will never take the message.
        BouncedHard = "BOUNCED_HARD",
        /// The recipient marked the message as spam.
        Complained = "COMPLAINED",
    }
}

impl DeliveryOutcome {
    /// The finding about the address in a report with this outcome and reply. None: nothing. A server that refuses this mail, or all
    /// mail from us, says nothing about the address. Providers call such a refusal a hard bounce too, so an address is dead
    /// only if the reply itself says so.
    #[must_use]
    pub const fn about_address(self, class: Option<ReplyClass>) -> Option<AboutAddress> {
        match (self, class) {
            (Self::Complained, _) => Some(AboutAddress::Complained),
            (Self::BouncedHard, Some(ReplyClass::Hard)) => Some(AboutAddress::Dead),
            (Self::BouncedSoft, Some(ReplyClass::Hard))
            | (
                Self::BouncedSoft | Self::BouncedHard,
                None | Some(ReplyClass::Soft | ReplyClass::Full | ReplyClass::Unknown),
            ) => Some(AboutAddress::Ailing),
            _ => None,
        }
    }
}

/// A report's finding about the recipient's address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AboutAddress {
    /// It does not exist, or takes no mail any more.
    Dead,
    /// It did not take a mail for a temporary reason, or for one that is not known. Several of these in a row suppress it for a
    /// while.
    Ailing,
    /// Its owner marked a mail as spam.
    Complained,
}

/// One report of a provider about a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The outcome of the message.
    pub outcome: DeliveryOutcome,
    /// When it happened, by the provider's clock.
    pub time: DateTime<Utc>,
    /// The provider's names for it, without personal data.
    pub detail: String,
    /// The reply of the recipient's server, if it is known.
    pub class: Option<ReplyClass>,
}

/// How a report changes the known reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// The first report of this outcome.
    New,
    /// The outcome was known, with a later time.
    Earlier,
    /// The report changes nothing.
    None,
}

/// All known reports of a message: for each outcome the report with the earliest time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reports(BTreeMap<DeliveryOutcome, (DateTime<Utc>, String, Option<ReplyClass>)>);

impl Reports {
    /// Adds a report.
    pub fn tell(&mut self, report: Report) -> Change {
        let Report { outcome, time, detail, class } = report;
        let told = (time, detail, class);
        match self.0.get_mut(&outcome) {
            None => {
                self.0.insert(outcome, told);
                Change::New
            }
            Some(known) if told < *known => {
                *known = told;
                Change::Earlier
            }
            Some(_) => Change::None,
        }
    }

    /// The reply in the known report of this outcome. None: there is no report, or its reply is not known.
    #[must_use]
    pub fn class(&self, outcome: DeliveryOutcome) -> Option<ReplyClass> {
        self.0.get(&outcome).and_then(|(.., class)| *class)
    }

    /// The gravest outcome, and its time.
    #[must_use]
    pub fn gravest(&self) -> Option<(DeliveryOutcome, DateTime<Utc>)> {
        self.0.last_key_value().map(|(outcome, (time, ..))| (*outcome, *time))
    }

    /// All reports, the oldest first.
    #[must_use]
    pub fn into_list(self) -> Vec<Report> {
        let report = |(outcome, (time, detail, class))| Report { outcome, time, detail, class };
        let mut reports: Vec<_> = self.0.into_iter().map(report).collect();
        reports.sort_by_key(|report| (report.time, report.outcome));
        reports
    }
}

impl FromIterator<Report> for Reports {
    fn from_iter<I: IntoIterator<Item = Report>>(reports: I) -> Self {
        let mut all = Self::default();
        for report in reports {
            all.tell(report);
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::{collection::vec, prelude::*, sample::Index};

    use super::*;

    fn report() -> impl Strategy<Value = Report> {
        let details = prop_oneof![Just(""), Just("Permanent/General"), Just("Transient/General")];
        (0..DeliveryOutcome::ALL.len(), 0..4i64, details).prop_map(|(outcome, second, detail)| Report {
            outcome: DeliveryOutcome::ALL[outcome],
            time: DateTime::from_timestamp(second, 0).expect("an instant"),
            detail: detail.to_owned(),
            class: None,
        })
    }

    proptest! {
        #[test]
        fn any_order_and_any_repetition_give_the_same_reports(
            told in vec(report(), 1..12),
            shuffled in vec(any::<Index>(), 0..40),
            reversed in any::<bool>(),
        ) {
            let expected: Reports = told.iter().cloned().collect();
            // First some reports in any order and several times, then all of them.
            let mut again: Vec<_> = shuffled.iter().map(|index| index.get(&told).clone()).collect();
            again.extend(told.iter().cloned());
            if reversed {
                again.reverse();
            }
            let (mut reports, mut new) = (Reports::default(), 0);
            for report in again {
                new += usize::from(reports.tell(report) == Change::New);
            }
            prop_assert_eq!(&reports, &expected);
            let kinds: BTreeSet<_> = told.iter().map(|report| report.outcome).collect();
            prop_assert_eq!(new, kinds.len(), "each kind is new once");
            prop_assert_eq!(reports.gravest().map(|(outcome, _)| outcome), kinds.last().copied());
        }
    }

    #[test]
    fn only_a_reply_that_says_so_makes_an_address_dead() {
        for outcome in DeliveryOutcome::ALL {
            for class in ReplyClass::ALL.into_iter().map(Some).chain([None]) {
                let is_dead = outcome.about_address(class) == Some(AboutAddress::Dead);
                let says_so = (outcome, class) == (DeliveryOutcome::BouncedHard, Some(ReplyClass::Hard));
                assert_eq!(is_dead, says_so, "{outcome:?} {class:?}");
            }
        }
    }

    #[test]
    fn a_complaint_after_delivery_counts_as_both() {
        let report = |outcome, second| Report {
            outcome,
            time: DateTime::from_timestamp(second, 0).expect("an instant"),
            detail: String::new(),
            class: None,
        };
        let told = [report(DeliveryOutcome::Complained, 2), report(DeliveryOutcome::Delivered, 1)];
        let reports: Reports = told.into_iter().collect();
        assert_eq!(reports.gravest().map(|(outcome, _)| outcome), Some(DeliveryOutcome::Complained));
        let outcomes: Vec<_> = reports.into_list().into_iter().map(|report| report.outcome).collect();
        assert_eq!(outcomes, [DeliveryOutcome::Delivered, DeliveryOutcome::Complained]);
    }
}
