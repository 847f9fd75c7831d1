//! `ConfirmStatusSubscription`: the button confirms within 24 hours, once.

use levqor_proto_runtime::v1::{ApplyRetentionRequest, privacy_service_client::PrivacyServiceClient};
use levqor_proto_support::v1::ConfirmStatusSubscriptionRequest;
use levqor_runtime::testing::{Caller, reason, refused};

use super::get_survey::token_of;
use crate::bench::{Bench, NOBODYS};

impl Bench {
    pub(crate) async fn confirm(&self, token: &str) -> Result<String, tonic::Status> {
        let request = ConfirmStatusSubscriptionRequest { token: token.to_owned(), form: None };
        let request = Caller::anonymous().request(request);
        let page = self.status_subscriptions().confirm_status_subscription(request).await?.into_inner();
        Ok(String::from_utf8(page.data).expect("text"))
    }

    /// An address that subscribed and confirmed. Gives its token.
    pub(crate) async fn subscriber(&self, email: &str) -> String {
        self.subscribe(email).await.expect("accepted");
        let asked = self.questions().await;
        let (_, link) = asked.iter().find(|(to, _)| to == email).expect("a question");
        let token = token_of(link);
        self.confirm(&token).await.expect("confirmed");
        token
    }
}

#[tokio::test]
async fn the_button_confirms_within_a_day_and_a_confirmed_address_is_asked_no_more() {
    let bench = Bench::start().await;
    bench.subscribe("ada@example.com").await.expect("accepted");
    let token = token_of(&bench.questions().await[0].1);
    bench.advance(chrono::TimeDelta::hours(24)).await;
    assert_eq!(reason(&refused(bench.confirm(&token).await)), "LINK_EXPIRED");
    bench.subscribe("ada@example.com").await.expect("accepted");
    let page = bench.confirm(&token).await.expect("confirmed");
    assert!(page.contains(&format!("https://api.levqor.ai/status/unsubscribe/{token}")), "{page}");
    bench.advance(chrono::TimeDelta::hours(48)).await;
    assert_eq!(bench.confirm(&token).await.expect("it is"), page);
    let before = bench.questions().await.len();
    bench.subscribe("ada@example.com").await.expect("the same answer");
    assert_eq!(bench.questions().await.len(), before);
    assert_eq!(reason(&refused(bench.confirm(&"ab".repeat(32)).await)), "LINK_NOT_VALID");
}

#[tokio::test]
async fn a_confirmed_subscription_lives_until_it_is_ended_and_an_address_that_did_not_confirm_does_not() {
    let bench = Bench::start().await;
    bench.subscriber("ada@example.com").await;
    bench.subscribe("bob@example.com").await.expect("accepted, and never confirmed");
    bench
        .execute(
            "UPDATE status_subscribers SET ask_time = ask_time - interval '3 years', confirm_time = confirm_time - interval '3 years',
                    create_time = create_time - interval '3 years'",
        )
        .await;
    bench.subscribe("cleo@example.com").await.expect("accepted a moment ago");
    let caller = Caller::service("compliance", "support");
    let request =
        caller.request(ApplyRetentionRequest { service: "support".to_owned(), run_id: NOBODYS.to_owned() });
    let mut client = PrivacyServiceClient::new(bench.service.channel());
    let report = client.apply_retention(request).await.expect("applied").into_inner();
    assert!(report.complete, "{report:?}");
    assert_eq!(bench.count("status_subscribers WHERE email = 'bob@example.com'").await, 0);
    assert_eq!(bench.count("status_subscribers WHERE confirm_time IS NOT NULL").await, 1);
    assert_eq!(bench.count("status_subscribers").await, 2);
}
