//! The links by which recipients choose their mails. They lead to this service's pages at the gateway.

use levqor_runtime::site::SiteUrl;

use crate::domain::{
    address::{AddressHash, AddressKey},
    link_token::LinkKeys,
    newsletter::SubscriptionId,
    template::MarketingLinks,
};

/// Makes the links.
pub(crate) struct Links {
    pub(crate) keys: LinkKeys,
    api: SiteUrl,
}

impl Links {
    /// The links to the gateway at this address.
    pub(crate) fn new(key: &AddressKey, api: SiteUrl) -> Self {
        Self { keys: LinkKeys::new(key), api }
    }

    /// The links of an advertising mail to this recipient. None only if the gateway's address makes no link.
    pub(crate) fn of_marketing(&self, recipient: &AddressHash) -> Option<MarketingLinks> {
        let preferences = self.preferences(recipient).parse().ok()?;
        Some(MarketingLinks { preferences, unsubscribe: self.unsubscribe(recipient).parse().ok()? })
    }

    /// The recipient's preference centre.
    pub(crate) fn preferences(&self, recipient: &AddressHash) -> String {
        format!("{}/preferences/{}", self.api, self.keys.recipient(recipient))
    }

    /// The page, and the address of one click, that unsubscribes the recipient.
    fn unsubscribe(&self, recipient: &AddressHash) -> String {
        format!("{}/unsubscribe/{}", self.api, self.keys.recipient(recipient))
    }

    /// The page that confirms a subscription.
    pub(crate) fn confirmation(&self, subscription: SubscriptionId) -> String {
        format!("{}/newsletter/confirm/{}", self.api, self.keys.confirmation(subscription))
    }
}
