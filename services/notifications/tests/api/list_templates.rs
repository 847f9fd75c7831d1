//! `ListTemplates`: staff see the mail templates, page by page.

use levqor_proto_notifications::v1::{ListTemplatesRequest, ListTemplatesResponse};
use levqor_runtime::testing::Caller;
use tonic::Status;

use crate::{Notified, refused, violated};

async fn list(notified: &Notified, request: ListTemplatesRequest) -> Result<ListTemplatesResponse, Status> {
    Ok(notified.client().list_templates(Caller::staff().request(request)).await?.into_inner())
}

#[tokio::test]
async fn pages_show_every_template_once() {
    let notified = Notified::start().await;
    let all = ListTemplatesRequest { page_size: 200, ..Default::default() };
    let all = list(&notified, all).await.expect("a page").templates;
    assert!(all.len() > 50, "only {}", all.len());
    let (mut token, mut seen) = (String::new(), Vec::new());
    loop {
        let page = ListTemplatesRequest { page_size: 20, page_token: token };
        let page = list(&notified, page).await.expect("a page");
        seen.extend(page.templates);
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(seen, all);
    let offer = all.iter().find(|template| template.template == "order_upgrade_offer").expect("the offer");
    let options = (offer.class.as_str(), offer.sender.as_str(), offer.category.as_str());
    assert_eq!(options, ("marketing", "updates", "offers promotions"));
    assert_eq!(offer.samples, ["order_upgrade_offer"]);
}

#[tokio::test]
async fn every_violation_is_named_at_once() {
    let notified = Notified::start().await;
    let request = ListTemplatesRequest { page_size: -1, page_token: "zz".to_owned() };
    assert_eq!(violated(&refused(list(&notified, request).await)), ["page_size", "page_token"]);
}
