//! `ListProviderEvents`: staff see the events of providers, newest first.

use levqor_proto_notifications::v1::{ListProviderEventsRequest, ListProviderEventsResponse};
use levqor_runtime::testing::Caller;
use tonic::Status;

use crate::{
    EventState, Notified,
    fake_mail::{FakeMail, webhooks::Webhook},
    refused, violated,
};

async fn list(
    notified: &Notified,
    request: ListProviderEventsRequest,
) -> Result<ListProviderEventsResponse, Status> {
    Ok(notified.client().list_provider_events(Caller::staff().request(request)).await?.into_inner())
}

async fn types(notified: &Notified, request: ListProviderEventsRequest) -> Vec<String> {
    let events = list(notified, request).await.expect("a list").provider_events;
    events.into_iter().map(|event| event.r#type).collect()
}

async fn start_with_events() -> Notified {
    let notified = Notified::start_with(&FakeMail::start(), "24").await;
    for event_type in ["email.sent", "email.opened", "email.clicked"] {
        let webhook = Webhook::of(&format!(r#"{{"type":"{event_type}"}}"#));
        notified.told(&webhook, EventState::Ignored).await;
    }
    notified.told(&Webhook::of("?"), EventState::Quarantined).await;
    notified
}

#[tokio::test]
async fn events_are_listed_newest_first_and_filters_narrow_the_list() {
    let notified = start_with_events().await;
    let all = types(&notified, ListProviderEventsRequest::default()).await;
    assert_eq!(all, ["", "email.clicked", "email.opened", "email.sent"]);
    let of_state =
        |state: EventState| ListProviderEventsRequest { state: state.into(), ..Default::default() };
    assert_eq!(types(&notified, of_state(EventState::Quarantined)).await, [""]);
    assert_eq!(types(&notified, of_state(EventState::Ignored)).await.len(), 3);
    for state in
        [EventState::Pending, EventState::AwaitingMessage, EventState::Applied, EventState::Unmatched]
    {
        assert!(types(&notified, of_state(state)).await.is_empty(), "{state:?}");
    }
    let opened = ListProviderEventsRequest { r#type: "email.opened".to_owned(), ..Default::default() };
    assert_eq!(types(&notified, opened).await, ["email.opened"]);
}

#[tokio::test]
async fn pages_show_every_event_once() {
    let notified = start_with_events().await;
    let (mut token, mut seen) = (String::new(), Vec::new());
    loop {
        let request = ListProviderEventsRequest { page_size: 3, page_token: token, ..Default::default() };
        let page = list(&notified, request).await.expect("a page");
        seen.extend(page.provider_events.into_iter().map(|event| event.r#type));
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(seen, ["", "email.clicked", "email.opened", "email.sent"]);
}

#[tokio::test]
async fn every_violation_is_named_at_once() {
    let notified = Notified::start().await;
    let request = ListProviderEventsRequest {
        state: 9,
        r#type: "a\n".to_owned(),
        page_size: -1,
        page_token: "x".to_owned(),
    };
    let status = refused(list(&notified, request).await);
    assert_eq!(violated(&status), ["state", "type", "page_size", "page_token"]);
}
