//! The mails that a customer's call causes are written in the locale of the customer's token.

use chrono::{DateTime, TimeDelta, Utc};
use levqor_runtime::testing::Caller;
use serde_json::json;

use crate::harness::Mesh;

#[tokio::test]
async fn the_mail_that_a_customers_call_causes_has_the_dates_of_the_tokens_locale() {
    let mesh = Mesh::start().await;
    for (locale, name, expected) in
        [("en-US", "ada", "%B %-d, %Y"), ("en-GB", "bob", "%-d %B %Y"), ("not a tag", "carol", "%-d %B %Y")]
    {
        let customer = mesh.actor(Caller::customer_in(locale, name, &format!("{name}@example.com")));
        let created = customer.post("/v1/data-requests", json!({"right": "RIGHT_ERASURE"})).await;
        let due = created.str("/data_request/due_time").parse::<DateTime<Utc>>().expect("a time");
        mesh.settle().await;
        let list = format!("/v1/messages?recipient={name}@example.com&template=data_request_progress");
        let mails = mesh.staff().get(&list).await;
        let path = format!("/v1/messages/{}/preview?format=FORMAT_TEXT", mails.str("/messages/0/message_id"));
        let text = mesh.staff().get(&path).await.text;
        // The time is a midnight in London: two hours later it is the same day there and by UTC, in summer and in winter.
        let day = (due + TimeDelta::hours(2)).format(expected).to_string();
        assert!(text.contains(&day), "{locale}: {day} is not in {text}");
    }
    mesh.finish().await;
}
