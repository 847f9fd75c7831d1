//! The privacy page lists the stored data and its retention periods, and is the same for everybody.

use levqor_proto_base::{google::api::HttpBody, r#type::v1::HttpBodyHead};
use levqor_proto_compliance::v1::{
    GetPrivacyPageRequest, privacy_page_service_client::PrivacyPageServiceClient,
};
use levqor_runtime::{client::Peer, testing::Caller};

use crate::bench::{Bench, ada};

impl Bench {
    pub(crate) fn pages(&self) -> PrivacyPageServiceClient<Peer> {
        PrivacyPageServiceClient::new(self.channel())
    }
}

/// A form, as the gateway passes it on.
pub(crate) fn form(data: &str) -> HttpBody {
    HttpBody {
        content_type: "application/x-www-form-urlencoded".to_owned(),
        data: data.into(),
        extensions: Vec::new(),
    }
}

/// The HTML of a page, with the status and headers of its response.
pub(crate) fn read(page: HttpBody) -> (String, HttpBodyHead) {
    let head = page.extensions.first().map(|any| any.to_msg().expect("a head")).unwrap_or_default();
    (String::from_utf8(page.data).expect("text"), head)
}

/// The value of a hidden field.
pub(crate) fn hidden<'p>(html: &'p str, name: &str) -> &'p str {
    let begin = format!("<input type=\"hidden\" name=\"{name}\" value=\"");
    html.split(&begin).nth(1).and_then(|rest| rest.split('"').next()).expect("a hidden field")
}

#[tokio::test]
async fn everybody_gets_the_same_page_with_periods_rights_and_the_regulator() {
    let bench = Bench::start().await;
    let mut shown = Vec::new();
    for caller in [Caller::anonymous(), ada()] {
        let page = bench.pages().get_privacy_page(caller.request(GetPrivacyPageRequest {})).await;
        shown.push(read(page.expect("a page").into_inner()));
    }
    let (html, head) = &shown[0];
    assert_eq!((head, html), (&HttpBodyHead::default(), &shown[1].0));
    for part in ["Orders and payments", "Mails", "Help and contact", "7 years", "2 years", "30 days", "ICO"] {
        assert!(html.contains(part), "{part}: {html}");
    }
    assert!(html.contains("mailto:privacy@levqor.ai") && !html.contains("role=\"alert\""), "{html}");
}
