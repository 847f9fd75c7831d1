//! The effect of each answer of a provider, with and without idempotency keys.

use std::time::Duration;

use levqor_proto_notifications::v1::{
    GetMessageRequest, GetMessageResponse, delivery_attempt::Outcome, message::State,
};
use levqor_runtime::testing::Caller;
use tonic::Code;
use tonic_types::StatusExt;

use crate::{
    Notified,
    fake_mail::{
        Behaviour::{self, AcceptAndBabble, AcceptAndCut, AcceptAndFail, AcceptSlowly, Cut, Fail, RateLimit},
        FakeMail,
    },
    reason, refused, welcome,
};

/// A provider that honours idempotency keys, and one that does not, each with a service.
async fn both() -> [(FakeMail, Notified); 2] {
    let (honours, ignores) = (FakeMail::start(), FakeMail::start_ignoring_keys());
    let (with, without) =
        (Notified::start_with(&honours, "24").await, Notified::start_with(&ignores, "0").await);
    [(honours, with), (ignores, without)]
}

impl Notified {
    /// The attempts of a message: the outcome and the detail of each.
    pub(super) async fn attempts(&self, id: &str) -> Vec<(Outcome, String)> {
        let request = Caller::staff().request(GetMessageRequest { message_id: id.to_owned() });
        let GetMessageResponse { delivery_attempts, .. } =
            self.client().get_message(request).await.expect("there").into_inner();
        delivery_attempts.into_iter().map(|attempt| (attempt.outcome(), attempt.detail)).collect()
    }

    /// Delivers, and expects that the delivery must be retried.
    pub(crate) async fn deliver_in_vain(&self, id: &str, what: &str) {
        let status = refused(self.deliver(id).await);
        let told = (status.code(), reason(&status));
        assert_eq!(told, (Code::Unavailable, "MAIL_PROVIDER_UNAVAILABLE".to_owned()), "{what}");
        assert_eq!(self.message(id).await.state(), State::Pending, "{what}");
    }
}

#[tokio::test]
async fn an_accepted_mail_is_sent_with_the_providers_id_as_evidence() {
    for (provider, notified) in both().await {
        let message = notified.sent("a", welcome("1", "ada@example.com")).await;
        let [accept] = provider.accepted().try_into().expect("one mail");
        assert_eq!((message.provider.as_str(), &message.provider_message_id), ("resend", &accept.id));
        assert_eq!(accept.key.as_ref(), Some(&message.message_id), "the message's id is the key");
        assert_eq!(
            (accept.from.as_str(), accept.to.as_str()),
            ("Levqor <orders@levqor.ai>", "ada@example.com")
        );
        assert_eq!(accept.subject, message.subject);
        assert!(accept.text.contains("Hello Ada Lovelace"), "{}", accept.text);
        assert!(accept.html.starts_with("<!doctype html>"), "{}", accept.html);
        assert_eq!(notified.count("mailbox").await, 0);
    }
}

#[tokio::test]
async fn a_mail_that_is_refused_for_good_has_failed_and_keeps_nothing_of_the_providers_text() {
    for (provider, notified) in both().await {
        for (status, name) in [(422, "422 validation_error"), (400, "400 validation_error")] {
            provider.next([Fail(status)]);
            let id = notified.pending().await;
            assert_eq!(notified.deliver(&id).await.expect("an answer"), State::Failed);
            let failure = notified.message(&id).await.failure;
            assert_eq!(failure, format!("the provider refused it: {name}"));
            assert_eq!(notified.attempts(&id).await, [(Outcome::Refused, failure)]);
            assert_eq!(notified.deliver(&id).await.expect("an answer"), State::Failed, "for good");
        }
        assert_eq!((provider.requests(), provider.accepted().len()), (2, 0));
    }
}

#[tokio::test]
async fn a_mail_that_was_certainly_not_accepted_is_retried_with_every_provider() {
    for (provider, notified) in both().await {
        for (behaviour, detail) in [
            (RateLimit(7), "429 rate_limit_exceeded"),
            (Fail(401), "401 restricted_api_key"),
            (Fail(403), "403 validation_error"),
            (Fail(404), "404 not_found"),
        ] {
            provider.next([behaviour]);
            let id = notified.pending().await;
            notified.deliver_in_vain(&id, detail).await;
            assert_eq!(notified.attempts(&id).await, [(Outcome::NotAccepted, detail.to_owned())]);
            assert_eq!(notified.deliver(&id).await.expect("delivered"), State::Sent);
        }
        assert_eq!(provider.accepted().len(), 4);
    }
}

#[tokio::test]
async fn a_provider_that_cannot_be_reached_is_tried_again_whatever_it_honours() {
    for (provider, notified) in both().await {
        provider.refuse_connections();
        let id = notified.pending().await;
        notified.deliver_in_vain(&id, "refused").await;
        let detail = "no connection could be made".to_owned();
        assert_eq!(notified.attempts(&id).await, [(Outcome::NotAccepted, detail)]);
        provider.take_connections();
        assert_eq!(notified.deliver(&id).await.expect("delivered"), State::Sent);
        assert_eq!(provider.accepted().len(), 1);
    }
}

#[tokio::test]
async fn a_rate_limit_is_obeyed() {
    let provider = FakeMail::start();
    let notified = Notified::start_with(&provider, "24").await;
    provider.next([RateLimit(77)]);
    let id = notified.pending().await;
    let details = refused(notified.deliver(&id).await).get_error_details();
    let delay = details.retry_info().and_then(|info| info.retry_delay);
    assert_eq!(delay, Some(Duration::from_secs(77)));
}

/// Every ambiguous failure, and whether the provider took the mail.
const AMBIGUOUS: [(Behaviour, &str); 6] = [
    (AcceptAndCut, "the connection was cut before the answer"),
    (Cut, "the connection was cut before the answer"),
    (AcceptAndFail(500), "500 application_error"),
    (Fail(503), "503 application_error"),
    (AcceptAndBabble, "200 without an id that can be read"),
    (Fail(409), "409 concurrent_idempotent_requests"),
];

#[tokio::test]
async fn a_mail_that_may_be_accepted_is_repeated_under_its_key_if_the_provider_honours_keys() {
    let provider = FakeMail::start();
    let notified = Notified::start_with(&provider, "24").await;
    for (behaviour, detail) in AMBIGUOUS {
        let before = provider.accepted().len();
        provider.next([behaviour]);
        let id = notified.pending().await;
        notified.deliver_in_vain(&id, detail).await;
        assert_eq!(notified.attempts(&id).await, [(Outcome::Ambiguous, detail.to_owned())]);
        assert_eq!(notified.deliver(&id).await.expect("delivered"), State::Sent);
        let accepted = provider.accepted();
        assert_eq!(accepted.len(), before + 1, "{behaviour:?}");
        assert_eq!(notified.message(&id).await.provider_message_id, accepted[before].id);
    }
}

#[tokio::test]
async fn a_mail_that_may_be_accepted_is_in_doubt_if_the_provider_honours_no_keys() {
    let provider = FakeMail::start_ignoring_keys();
    let notified = Notified::start_with(&provider, "0").await;
    for (behaviour, detail) in AMBIGUOUS {
        let before = provider.requests();
        provider.next([behaviour]);
        let id = notified.pending().await;
        for _ in 0..3 {
            assert_eq!(notified.deliver(&id).await.expect("an answer"), State::InDoubt, "{behaviour:?}");
        }
        assert_eq!(provider.requests(), before + 1, "never again by itself");
        assert!(notified.message(&id).await.doubt.contains("honours no idempotency key"), "{behaviour:?}");
        assert_eq!(notified.attempts(&id).await, [(Outcome::Ambiguous, detail.to_owned())]);
    }
}

#[tokio::test]
async fn a_provider_that_takes_too_long_may_have_accepted() {
    let late = async |provider: FakeMail, notified: Notified| {
        provider.next([AcceptSlowly(Duration::from_mins(1))]);
        let id = notified.pending().await;
        let answer = notified.deliver(&id).await.map_err(|status| reason(&status));
        assert_eq!(notified.attempts(&id).await, [(Outcome::Ambiguous, "no answer in time".to_owned())]);
        (answer, provider.accepted().len())
    };
    let [(honours, with), (ignores, without)] = both().await;
    let (again, doubt) = tokio::join!(late(honours, with), late(ignores, without));
    assert_eq!(again, (Err("MAIL_PROVIDER_UNAVAILABLE".to_owned()), 1));
    assert_eq!(doubt, (Ok(State::InDoubt), 1));
}
