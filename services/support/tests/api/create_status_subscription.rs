//! `CreateStatusSubscription`: an address is asked by mail, at most three times a day, and the answer tells nothing about it.

use levqor_proto_mail::v1::{StatusOptIn, send_message_request::Content};
use levqor_proto_support::v1::{
    CreateStatusSubscriptionRequest, CreateStatusSubscriptionResponse,
    status_subscription_service_client::StatusSubscriptionServiceClient,
};
use levqor_runtime::{
    client::Peer,
    testing::{Caller, refused, violated},
};

use crate::bench::Bench;

impl Bench {
    pub(crate) fn status_subscriptions(&self) -> StatusSubscriptionServiceClient<Peer> {
        StatusSubscriptionServiceClient::new(self.service.channel())
    }

    pub(crate) async fn subscribe(
        &self,
        email: &str,
    ) -> Result<CreateStatusSubscriptionResponse, tonic::Status> {
        let request = CreateStatusSubscriptionRequest { email: email.to_owned() };
        let request = Caller::anonymous().request(request);
        Ok(self.status_subscriptions().create_status_subscription(request).await?.into_inner())
    }

    /// The questions that were mailed: to whom, and the link.
    pub(crate) async fn questions(&self) -> Vec<(String, String)> {
        let question = |mail: levqor_proto_mail::v1::SendMessageRequest| match mail.content {
            Some(Content::StatusOptIn(StatusOptIn { confirm_link, .. })) => {
                Some((mail.recipient, confirm_link))
            }
            _ => None,
        };
        self.mails().await.into_iter().filter_map(question).collect()
    }
}

#[tokio::test]
async fn an_address_is_asked_three_times_a_day_and_the_answer_tells_nothing() {
    let bench = Bench::start().await;
    for _ in 0..5 {
        let answer = bench.subscribe("Ada@Example.com").await.expect("the same answer");
        assert_eq!(answer, CreateStatusSubscriptionResponse {});
    }
    let asked = bench.questions().await;
    assert_eq!(asked.len(), 3, "{asked:?}");
    assert!(asked.iter().all(|(to, link)| to == "ada@example.com" && link == &asked[0].1), "{asked:?}");
    assert!(asked[0].1.starts_with("https://api.levqor.ai/status/confirm/"), "{asked:?}");
    bench.subscribe("bob@example.com").await.expect("accepted");
    bench.advance(chrono::TimeDelta::hours(25)).await;
    bench.subscribe("ada@example.com").await.expect("accepted");
    assert_eq!(bench.questions().await.len(), 5);
    assert_eq!(
        bench.count("status_subscribers WHERE confirm_time IS NULL").await,
        2,
        "one row for each address"
    );
    for email in ["", "ada", "ada@"] {
        assert_eq!(violated(&refused(bench.subscribe(email).await)), ["email"], "{email}");
    }
}
