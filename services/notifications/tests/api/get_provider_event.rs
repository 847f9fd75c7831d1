//! `GetProviderEvent`: staff see one event with its body.

use levqor_proto_notifications::v1::{GetProviderEventRequest, GetProviderEventResponse};
use levqor_runtime::testing::Caller;
use tonic::{Code, Status};

use crate::{
    EventState, Notified, UNKNOWN_ID,
    fake_mail::{FakeMail, webhooks::Webhook},
    reason, refused, violated,
};

async fn get(notified: &Notified, caller: &Caller, id: &str) -> Result<GetProviderEventResponse, Status> {
    let request = caller.request(GetProviderEventRequest { provider_event_id: id.to_owned() });
    Ok(notified.client().get_provider_event(request).await?.into_inner())
}

#[tokio::test]
async fn staff_see_received_bodies_even_if_they_are_no_text() {
    let notified = Notified::start_with(&FakeMail::start(), "24").await;
    let webhook = Webhook::of(r#"{"type":"email.sent"}"#);
    let event = notified.told(&webhook, EventState::Ignored).await;
    let got = get(&notified, &Caller::staff(), &event.provider_event_id).await.expect("there");
    assert_eq!((got.provider_event, got.body), (Some(event.clone()), webhook.body));
    notified.execute(r"UPDATE provider_events SET body = '\xff00'").await;
    let got = get(&notified, &Caller::staff(), &event.provider_event_id).await.expect("there");
    assert_eq!(got.body, "\u{fffd}\0");
    notified.execute("UPDATE provider_events SET body = NULL").await;
    assert_eq!(get(&notified, &Caller::staff(), &event.provider_event_id).await.expect("there").body, "");
}

#[tokio::test]
async fn an_event_that_is_not_there_is_not_found() {
    let notified = Notified::start().await;
    let status = refused(get(&notified, &Caller::staff(), UNKNOWN_ID).await);
    assert_eq!((status.code(), reason(&status).as_str()), (Code::NotFound, "PROVIDER_EVENT_NOT_FOUND"));
    let status = refused(get(&notified, &Caller::staff(), "msg_1").await);
    assert_eq!(violated(&status), ["provider_event_id"]);
}
