//! `ListMessages`: staff see the requested messages, newest first.

use levqor_proto_notifications::v1::{
    DeliveryOutcome, ListMessagesRequest, ListMessagesResponse, message::State,
};
use levqor_runtime::testing::Caller;
use tonic::Status;

use crate::{Notified, intake_request, refused, violated, welcome};

async fn list(notified: &Notified, request: ListMessagesRequest) -> Result<ListMessagesResponse, Status> {
    Ok(notified.client().list_messages(Caller::staff().request(request)).await?.into_inner())
}

/// The `about` of each listed message.
async fn listed(notified: &Notified, request: ListMessagesRequest) -> Vec<String> {
    let messages = list(notified, request).await.expect("a list").messages;
    messages.into_iter().map(|message| format!("{} {}", message.template, message.about)).collect()
}

async fn start_with_messages() -> Notified {
    let notified = Notified::start().await;
    for (key, request) in [
        ("a", welcome("1", "ada@example.com")),
        ("b", intake_request("1", "ada@example.com")),
        ("c", welcome("2", "bob@example.com")),
    ] {
        notified.sent(key, request).await;
    }
    notified
}

#[tokio::test]
async fn messages_are_listed_newest_first() {
    let notified = start_with_messages().await;
    let all = listed(&notified, ListMessagesRequest::default()).await;
    assert_eq!(all, ["order_welcome order:2", "order_intake_request order:1", "order_welcome order:1"]);
}

#[tokio::test]
async fn pages_show_every_message_once() {
    let notified = start_with_messages().await;
    let (mut token, mut seen) = (String::new(), Vec::new());
    loop {
        let request = ListMessagesRequest { page_size: 2, page_token: token, ..Default::default() };
        let page = list(&notified, request).await.expect("a page");
        assert!((1..=2).contains(&page.messages.len()));
        seen.extend(page.messages.into_iter().map(|message| message.message_id));
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    let all = list(&notified, ListMessagesRequest::default()).await.expect("a list").messages;
    assert_eq!(seen, all.into_iter().map(|message| message.message_id).collect::<Vec<_>>());
    assert_eq!(seen.len(), 3);
}

#[tokio::test]
async fn messages_of_one_instant_are_paged_by_their_ids() {
    let notified = start_with_messages().await;
    notified.execute("UPDATE messages SET create_time = runtime.now()").await;
    let all = list(&notified, ListMessagesRequest::default()).await.expect("a list").messages;
    let first = ListMessagesRequest { page_size: 1, ..Default::default() };
    let token = list(&notified, first).await.expect("a page").next_page_token;
    let rest = ListMessagesRequest { page_token: token, ..Default::default() };
    let rest = list(&notified, rest).await.expect("a page").messages;
    assert!(rest == all[1..], "the first page and the second are the whole");
}

#[tokio::test]
async fn filters_narrow_the_list() {
    let notified = start_with_messages().await;
    notified.execute("UPDATE messages SET recipient = NULL WHERE about = 'order:2'").await;
    let of = |recipient: &str| ListMessagesRequest { recipient: recipient.to_owned(), ..Default::default() };
    let ada = listed(&notified, of(" ADA@Example.com")).await;
    assert_eq!(ada, ["order_intake_request order:1", "order_welcome order:1"]);
    assert_eq!(
        listed(&notified, of("bob@example.com")).await,
        ["order_welcome order:2"],
        "found by the hash"
    );
    assert!(listed(&notified, of("eve@example.com")).await.is_empty());

    let template = ListMessagesRequest { template: "order_welcome".to_owned(), ..Default::default() };
    assert_eq!(listed(&notified, template).await, ["order_welcome order:2", "order_welcome order:1"]);
    let about = ListMessagesRequest { about: "order:2".to_owned(), ..Default::default() };
    assert_eq!(listed(&notified, about).await, ["order_welcome order:2"]);
    let both = ListMessagesRequest {
        template: "order_intake_request".to_owned(),
        about: "order:2".to_owned(),
        ..Default::default()
    };
    assert!(listed(&notified, both).await.is_empty());
    for (state, count) in [(State::Sent, 3), (State::Pending, 0), (State::Failed, 0), (State::InDoubt, 0)] {
        let request = ListMessagesRequest { state: state.into(), ..Default::default() };
        assert_eq!(listed(&notified, request).await.len(), count, "{state:?}");
    }
}

#[tokio::test]
async fn mails_that_bounced_are_found_by_their_outcome() {
    let notified = start_with_messages().await;
    notified
        .execute(
            "UPDATE messages SET delivery_outcome = 'BOUNCED_HARD', delivery_outcome_time = now()
             WHERE about = 'order:2'",
        )
        .await;
    for (outcome, about) in
        [(DeliveryOutcome::BouncedHard, vec!["order_welcome order:2"]), (DeliveryOutcome::Delivered, vec![])]
    {
        let request = ListMessagesRequest { delivery_outcome: outcome.into(), ..Default::default() };
        assert_eq!(listed(&notified, request).await, about, "{outcome:?}");
    }
}

#[tokio::test]
async fn every_violation_is_named_at_once() {
    let notified = Notified::start().await;
    let request = ListMessagesRequest {
        recipient: "ada".to_owned(),
        template: "order\u{1}".to_owned(),
        about: "order 1".to_owned(),
        state: 9,
        delivery_outcome: 9,
        page_size: -1,
        page_token: "x".to_owned(),
    };
    let status = refused(list(&notified, request).await);
    assert_eq!(
        violated(&status),
        ["recipient", "template", "about", "state", "delivery_outcome", "page_size", "page_token"]
    );
}

#[tokio::test]
async fn a_list_never_fails_for_one_row() {
    let notified = start_with_messages().await;
    notified.execute("UPDATE messages SET recipient = 'nobody' WHERE about = 'order:2'").await;
    let all = listed(&notified, ListMessagesRequest::default()).await;
    assert_eq!(all, ["order_intake_request order:1", "order_welcome order:1"]);
}
