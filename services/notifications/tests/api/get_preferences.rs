//! `GetPreferences`: the preference centre shows what its recipient agreed to, and no box is ticked without that.

use levqor_notifications::domain::{
    address::{AddressHash, AddressKey},
    link_token::LinkKeys,
};
use levqor_proto_notifications::v1::{GetPreferencesRequest, consent_service_client::ConsentServiceClient};
use levqor_runtime::{
    client::Peer,
    testing::{Caller, has_word},
};
use secrecy::SecretString;
use tonic::Status;

use crate::{ADDRESS_KEY, Notified, reason, refused};

impl Notified {
    pub(crate) fn consent(&self) -> ConsentServiceClient<Peer> {
        ConsentServiceClient::new(self.channel())
    }

    /// The page of this token, as HTML.
    pub(crate) async fn preferences(&self, token: &str) -> Result<String, Status> {
        let request = Caller::anonymous().request(GetPreferencesRequest { token: token.to_owned() });
        let page = self.consent().get_preferences(request).await?.into_inner();
        Ok(String::from_utf8(page.data).expect("text"))
    }

    /// The boxes that are ticked for this address.
    pub(crate) async fn ticked(&self, address: &str) -> Vec<String> {
        ticked(&self.preferences(&token_of(address)).await.expect("a page"))
    }
}

/// The boxes that are ticked on a page.
pub(crate) fn ticked(page: &str) -> Vec<String> {
    let boxes = page.split("value=\"").skip(1);
    let ticked = boxes.filter(|text| text.split('>').next().is_some_and(|tag| tag.ends_with(" checked")));
    ticked.map(|text| text.split('"').next().unwrap_or_default().to_owned()).collect()
}

fn address_key() -> AddressKey {
    AddressKey::try_new(&SecretString::from(ADDRESS_KEY.1)).expect("a key")
}

pub(crate) fn hash_of(address: &str) -> AddressHash {
    address_key().hash(&address.parse().expect("an address"))
}

/// The token in the links of this recipient's mails.
pub(crate) fn token_of(address: &str) -> String {
    LinkKeys::new(&address_key()).recipient(&hash_of(address))
}

#[tokio::test]
async fn nothing_is_on_for_an_address_that_agreed_to_nothing() {
    let notified = Notified::start().await;
    let page = notified.preferences(&token_of("ada@example.com")).await.expect("a page");
    assert_eq!(page.matches("type=\"checkbox\"").count(), 5, "{page}");
    assert!(ticked(&page).is_empty(), "{page}");
    assert!(!has_word(&page, "ada") && !page.contains("<script"), "{page}");
}

#[tokio::test]
async fn a_token_that_is_not_ours_opens_nothing() {
    let notified = Notified::start().await;
    for token in ["", "x", &token_of("ada@example.com")[1..]] {
        assert_eq!(reason(&refused(notified.preferences(token).await)), "LINK_NOT_VALID", "{token}");
    }
}
