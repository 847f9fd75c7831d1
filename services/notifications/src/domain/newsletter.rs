//! The categories of advertising, as recipients see them, and the subscriptions that ask for a confirmation.

use chrono::{DateTime, TimeDelta, Utc};
use levqor_proto_mail::v1 as mail;
use levqor_proto_notifications::v1 as wire;
use levqor_runtime::{typed_id, wire_enum};

use super::{address::AddressHash, class::Category};

typed_id!(pub SubscriptionId, "a newsletter subscription");
typed_id!(pub PermissionChangeId, "a change of a permission");

wire_enum! {
    /// A category of advertising that a recipient can agree to. The names are those of `class::Category`.
    pub enum Topic: wire::NewsletterCategory {
        /// News of the product.
        ProductUpdates = "PRODUCT_UPDATES",
        /// Offers and discounts.
        OffersPromotions = "OFFERS_PROMOTIONS",
        /// Technical news.
        TechnicalUpdates = "TECHNICAL_UPDATES",
        /// Events and webinars.
        EventsWebinars = "EVENTS_WEBINARS",
        /// Tips and examples.
        EducationalContent = "EDUCATIONAL_CONTENT",
    }
}

impl Topic {
    /// The category of the templates.
    #[must_use]
    pub fn category(self) -> Category {
        Category::from(match self {
            Self::ProductUpdates => mail::Category::ProductUpdates,
            Self::OffersPromotions => mail::Category::OffersPromotions,
            Self::TechnicalUpdates => mail::Category::TechnicalUpdates,
            Self::EventsWebinars => mail::Category::EventsWebinars,
            Self::EducationalContent => mail::Category::EducationalContent,
        })
    }

    /// The topic of a template's category. `None` if the category is not marketing.
    #[must_use]
    pub fn of(category: mail::Category) -> Option<Self> {
        Self::ALL.into_iter().find(|topic| topic.category() == Category::from(category))
    }

    /// The title that recipients read.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::ProductUpdates => "Product updates",
            Self::OffersPromotions => "Offers and discounts",
            Self::TechnicalUpdates => "Technical updates",
            Self::EventsWebinars => "Events and webinars",
            Self::EducationalContent => "Tips and examples",
        }
    }

    /// A description of the mails of this category, and their maximum frequency.
    #[must_use]
    pub const fn description(self) -> &'static str {
        match self {
            Self::ProductUpdates => "What is new in Levqor. About once a month.",
            Self::OffersPromotions => "Lower prices and new packages. At most once a week.",
            Self::TechnicalUpdates => "Changes that matter to people who build with us. When there are some.",
            Self::EventsWebinars => "Invitations. About once a month.",
            Self::EducationalContent => "How other people automate. About every two weeks.",
        }
    }
}

/// How long the link of a confirmation is valid.
pub const VALID: TimeDelta = TimeDelta::hours(24);

/// The most mails that ask an address for its confirmation within `VALID`.
pub const MOST_QUESTIONS: i64 = 3;

/// A newsletter subscription.
pub struct Subscription {
    /// Its id.
    pub id: SubscriptionId,
    /// The address, as a hash.
    pub recipient_hash: AddressHash,
    /// The chosen categories.
    pub topics: Vec<Topic>,
    /// When the link stops being valid.
    pub expire_time: DateTime<Utc>,
    /// When the address confirmed. `None` until then.
    pub confirm_time: Option<DateTime<Utc>>,
}

/// The link was valid for 24 hours, and was not used in time.
#[derive(Debug, thiserror::Error)]
#[error("the link was valid for 24 hours; enter your address again to get a new one")]
pub struct Expired;

impl Subscription {
    /// Confirms the subscription. Returns false if it is confirmed already.
    pub fn confirm(&mut self, now: DateTime<Utc>) -> Result<bool, Expired> {
        if self.confirm_time.is_some() {
            return Ok(false);
        }
        if now >= self.expire_time {
            return Err(Expired);
        }
        self.confirm_time = Some(now);
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use levqor_runtime::wire_enum::WireEnum;

    use super::*;

    #[test]
    fn a_topic_is_a_category_of_the_templates() {
        for topic in Topic::ALL {
            assert_eq!(topic.category().as_str(), topic.as_str(), "{}", topic.wire_name());
        }
    }

    #[test]
    fn a_subscription_is_confirmed_once_and_in_time() {
        let expire_time = DateTime::UNIX_EPOCH + VALID;
        let new = || Subscription {
            id: SubscriptionId::new_at(DateTime::UNIX_EPOCH),
            recipient_hash: AddressHash::from([0; 32]),
            topics: vec![Topic::ProductUpdates],
            expire_time,
            confirm_time: None,
        };
        let mut in_time = new();
        assert!(in_time.confirm(expire_time - TimeDelta::seconds(1)).is_ok_and(|confirmed| confirmed));
        assert!(in_time.confirm(expire_time + VALID).is_ok_and(|again| !again), "it stays confirmed");
        assert!(new().confirm(expire_time).is_err());
    }
}
