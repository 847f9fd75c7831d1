//! Leads: how promising each one is, and the flow of mails after the free guide.

use chrono::{DateTime, TimeDelta, Utc};
use levqor_proto_support::v1 as wire;
use levqor_runtime::{email::Email, timestamp, typed_id, wire_enum};

typed_id!(pub(crate) LeadId, "a lead");

wire_enum! {
    /// The form that a lead came by.
    pub(crate) enum LeadKind: wire::lead::Kind {
        /// The sales form.
        Sales = "SALES",
        /// The kick-off form.
        Kickoff = "KICKOFF",
        /// The form of the free guide.
        Guide = "GUIDE",
        /// The list for a connector.
        Connector = "CONNECTOR",
    }
}

/// A lead.
pub(crate) struct Lead {
    pub(crate) id: LeadId,
    pub(crate) kind: LeadKind,
    pub(crate) email: Email,
    pub(crate) name: String,
    pub(crate) phone: String,
    pub(crate) company: String,
    pub(crate) message: String,
    pub(crate) details: String,
    pub(crate) source: String,
    /// None: the person objects to profiling.
    pub(crate) score: Option<i32>,
    pub(crate) marketing_consent: bool,
    pub(crate) create_time: DateTime<Utc>,
}

/// Words of people who want something built.
const WANTS_WORK: &[&str] = &["automate", "build", "setup", "done for", "dfy", "integration"];
/// Kinds of business that buy often.
const BUYERS: &[&str] = &["agency", "e-commerce", "ecommerce", "e commerce"];
/// The highest score.
const MAX: i32 = 100;
/// The maximum number of leads of one address within a day that get a mail. Another person may have typed the address.
pub(crate) const MOST_MAILS: i64 = 3;
/// The time of each step of the flow, counted from the guide.
const STEPS: &[i64] = &[24, 48, 72];

/// How promising a lead is, 0 to 100: a phone number 20, a wish for work 30, an agency or a shop 25, a form that is full 10.
pub(crate) fn score(name: &str, phone: &str, business: &str, problem: &str) -> i32 {
    let has = |text: &str, words: &[&str]| {
        let text = text.to_lowercase();
        words.iter().any(|word| text.contains(word))
    };
    let is_full = [name, business, problem].iter().all(|text| !text.trim().is_empty());
    let points = [
        (!phone.trim().is_empty(), 20),
        (has(problem, WANTS_WORK), 30),
        (has(business, BUYERS), 25),
        (is_full, 10),
    ];
    points.into_iter().filter(|(fits, _)| *fits).map(|(_, points)| points).sum::<i32>().min(MAX)
}

/// The connector of our list that a text names.
pub(crate) fn connector(text: &str) -> Option<&'static str> {
    let known = include_str!("../../data/connectors.txt").lines().filter(|line| !line.starts_with('#'));
    known.into_iter().find(|name| !name.is_empty() && name.eq_ignore_ascii_case(text.trim()))
}

/// The time of a step of the flow. `None` after the last one.
pub(crate) fn step_time(guide_time: DateTime<Utc>, step: i32) -> Option<DateTime<Utc>> {
    let place = usize::try_from(step).ok()?.checked_sub(1)?;
    STEPS.get(place).map(|hours| guide_time + TimeDelta::hours(*hours))
}

impl From<Lead> for wire::Lead {
    fn from(lead: Lead) -> Self {
        Self {
            lead_id: lead.id.to_string(),
            kind: lead.kind.into(),
            email: lead.email.as_str().to_owned(),
            name: lead.name,
            phone: lead.phone,
            company: lead.company,
            message: lead.message,
            details: lead.details,
            source: lead.source,
            score: lead.score.unwrap_or_default(),
            marketing_consent: lead.marketing_consent,
            create_time: Some(timestamp(lead.create_time)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lead_has_the_points_of_its_answers() {
        for (name, phone, business, problem, expected) in [
            ("", "", "", "", 0),
            ("Ada", "", "", "", 0),
            ("Ada", "+44 1", "", "", 20),
            ("Ada", " ", "Agency", "", 25),
            ("Ada", "", "E-Commerce shop", "Please AUTOMATE it", 65),
            ("Ada", "1", "marketing agency", "an integration", 85),
            ("Ada", "", "bakery", "too much paper", 10),
            ("", "", "", "done for you, setup, build", 30),
        ] {
            assert_eq!(
                score(name, phone, business, problem),
                expected,
                "{name} {phone} {business} {problem}"
            );
        }
    }

    #[test]
    fn only_connectors_of_the_list_are_named_and_the_flow_ends() {
        assert_eq!(connector(" google sheets "), Some("Google Sheets"));
        for other in ["", "#", "http://spam.example", "# Connectors"] {
            assert_eq!(connector(other), None, "{other}");
        }
        let now = DateTime::UNIX_EPOCH;
        for (step, hours) in [(1, 24), (2, 48), (3, 72)] {
            assert_eq!(step_time(now, step), Some(now + TimeDelta::hours(hours)));
        }
        assert!([-1, 0, 4].iter().all(|step| step_time(now, *step).is_none()));
    }
}
