//! Consents: their purposes, which of them the signal of a browser withdraws, and which are in force now.

use chrono::{DateTime, TimeDelta, Utc};
use levqor_proto_compliance::v1::{self as wire, ConsentPurpose};
use levqor_proto_notifications::v1::NewsletterCategory;
use levqor_runtime::{error::Violations, timestamp, wire_enum};

use super::declaration::Declaration;

wire_enum! {
    /// The purpose of a consent.
    pub(crate) enum Purpose: ConsentPurpose {
        /// Cookies that remember settings.
        CookiesFunctional = "COOKIES_FUNCTIONAL",
        /// Cookies that count visits.
        CookiesAnalytics = "COOKIES_ANALYTICS",
        /// Cookies for advertising.
        CookiesMarketing = "COOKIES_MARKETING",
        /// Mails about news of the product.
        MailProductUpdates = "MAIL_PRODUCT_UPDATES",
        /// Mails about offers.
        MailOffersPromotions = "MAIL_OFFERS_PROMOTIONS",
        /// Mails about technical news.
        MailTechnicalUpdates = "MAIL_TECHNICAL_UPDATES",
        /// Mails about events.
        MailEventsWebinars = "MAIL_EVENTS_WEBINARS",
        /// Mails with tips.
        MailEducationalContent = "MAIL_EDUCATIONAL_CONTENT",
    }
}

/// How long a decision about cookies holds. After that the person is asked again.
const COOKIES_HOLD: TimeDelta = TimeDelta::days(365);

impl Purpose {
    /// The purpose of a category of advertising, by the name that notifications gives it.
    pub(crate) fn of_category(category: &str) -> Option<Self> {
        format!("MAIL_{category}").parse().ok()
    }

    /// The category of advertising. `None`: it is about cookies.
    pub(crate) const fn category(self) -> Option<NewsletterCategory> {
        match self {
            Self::CookiesFunctional | Self::CookiesAnalytics | Self::CookiesMarketing => None,
            Self::MailProductUpdates => Some(NewsletterCategory::ProductUpdates),
            Self::MailOffersPromotions => Some(NewsletterCategory::OffersPromotions),
            Self::MailTechnicalUpdates => Some(NewsletterCategory::TechnicalUpdates),
            Self::MailEventsWebinars => Some(NewsletterCategory::EventsWebinars),
            Self::MailEducationalContent => Some(NewsletterCategory::EducationalContent),
        }
    }

    /// The mails that it is about, as people know them. `None`: it is about cookies.
    pub(crate) const fn mails(self) -> Option<&'static str> {
        match self {
            Self::CookiesFunctional | Self::CookiesAnalytics | Self::CookiesMarketing => None,
            Self::MailProductUpdates => Some("mails about news of the product"),
            Self::MailOffersPromotions => Some("mails about offers and discounts"),
            Self::MailTechnicalUpdates => Some("mails about technical news"),
            Self::MailEventsWebinars => Some("mails about events and webinars"),
            Self::MailEducationalContent => Some("mails with tips and examples"),
        }
    }

    /// The purposes that are about advertising by mail.
    pub(crate) fn all_of_mails() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|purpose| purpose.category().is_some())
    }

    /// Reads purposes of advertising by mail, each once. Stops at the first wrong value, so that a long list does not make a long answer.
    pub(crate) fn of_mails(violations: &mut Violations, field: &str, numbers: &[i32]) -> Vec<Self> {
        let mut purposes = Vec::new();
        for number in numbers {
            let Some(purpose) = violations.field_enum::<Self>(field, *number) else { break };
            if purpose.category().is_none() {
                violations.add(field, "expected purposes of advertising by mail");
                break;
            }
            if !purposes.contains(&purpose) {
                purposes.push(purpose);
            }
        }
        purposes
    }

    /// Whether Global Privacy Control is about it: the signal says that data must not be sold or shared for advertising.
    pub(crate) const fn is_of_signal(self) -> bool {
        matches!(self, Self::CookiesMarketing)
    }
}

/// The last decision about a scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Decision {
    pub(crate) scope: String,
    pub(crate) given: bool,
    pub(crate) time: DateTime<Utc>,
}

/// The state of each purpose now. A consent that was never given counts as not given.
pub(crate) fn standings(
    decisions: &[Decision],
    objects_by_signal: bool,
    now: DateTime<Utc>,
) -> Vec<wire::ConsentStanding> {
    let standing = |purpose: Purpose| {
        let holds = |decision: &&Decision| purpose.category().is_some() || now - decision.time < COOKIES_HOLD;
        let last = decisions.iter().find(|decision| decision.scope == purpose.as_str());
        let last = last.filter(holds);
        let denied = objects_by_signal && purpose.is_of_signal();
        wire::ConsentStanding {
            purpose: purpose.into(),
            given: !denied && last.is_some_and(|decision| decision.given),
            decided: denied || last.is_some(),
            decide_time: last.map(|decision| timestamp(decision.time)),
        }
    };
    Purpose::ALL.into_iter().map(standing).collect()
}

impl From<Declaration> for wire::ConsentRecord {
    fn from(declaration: Declaration) -> Self {
        let purpose = declaration.scope.parse::<Purpose>().map(i32::from);
        Self {
            consent_id: declaration.id.to_string(),
            purpose: purpose.unwrap_or_default(),
            given: declaration.given,
            email: declaration.person.email.map(|email| email.as_str().to_owned()).unwrap_or_default(),
            shown_version: declaration.shown.version,
            shown_sha256: declaration.shown.sha256,
            source: declaration.source,
            by_signal: declaration.by_signal,
            decide_time: Some(timestamp(declaration.declare_time)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(purpose: Purpose, decisions: &[Decision], signal: bool, now: DateTime<Utc>) -> (bool, bool) {
        let all = standings(decisions, signal, now);
        let found = all.into_iter().find(|standing| standing.purpose == i32::from(purpose));
        found.map(|standing| (standing.given, standing.decided)).expect("every purpose stands")
    }

    #[test]
    fn no_consent_is_assumed_and_the_browsers_signal_outweighs_a_click() {
        let now = DateTime::UNIX_EPOCH;
        let yes = |purpose: Purpose| Decision { scope: purpose.as_str().to_owned(), given: true, time: now };
        for purpose in Purpose::ALL {
            assert_eq!(given(purpose, &[], false, now), (false, false), "{purpose:?}");
            assert_eq!(given(purpose, &[yes(purpose)], false, now), (true, true), "{purpose:?}");
            let denied = purpose == Purpose::CookiesMarketing;
            assert_eq!(given(purpose, &[yes(purpose)], true, now), (!denied, true), "{purpose:?}");
        }
    }

    #[test]
    fn a_decision_about_cookies_is_valid_for_a_year_and_one_about_mails_for_ever() {
        let now = DateTime::UNIX_EPOCH;
        for (purpose, holds) in [(Purpose::CookiesAnalytics, false), (Purpose::MailProductUpdates, true)] {
            let yes = Decision { scope: purpose.as_str().to_owned(), given: true, time: now };
            let later = now + TimeDelta::days(366);
            assert_eq!(given(purpose, &[yes], false, later), (holds, holds), "{purpose:?}");
        }
    }

    #[test]
    fn the_categories_of_mails_are_those_of_notifications() {
        for purpose in Purpose::ALL {
            if let Some(category) = purpose.category() {
                let name = category.as_str_name().trim_start_matches("NEWSLETTER_CATEGORY_");
                assert_eq!(Purpose::of_category(name), Some(purpose));
            }
            assert_eq!(purpose.mails().is_some(), purpose.category().is_some(), "{purpose:?}");
        }
        assert_eq!(Purpose::of_category("ORDERS"), None);
    }
}
