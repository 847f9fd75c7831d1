//! A person gives or withdraws consents: in one call each, with proof, and the browser's signal outweighs a click.

use levqor_proto_compliance::v1::{
    ConsentChoice, ConsentPurpose, RecordConsentRequest, RecordConsentResponse,
    consent_ledger_service_client::ConsentLedgerServiceClient,
};
use levqor_runtime::{
    client::Peer,
    context::{CLIENT_NETWORK, CLIENT_PROGRAM, PRIVACY_SIGNAL},
    testing::{Caller, reason},
};
use tonic::{Request, Status};

use crate::bench::{Bench, ada};

impl Bench {
    pub(crate) fn ledger(&self) -> ConsentLedgerServiceClient<Peer> {
        ConsentLedgerServiceClient::new(self.channel())
    }

    /// Records choices for a visitor or a person.
    pub(crate) async fn record(
        &self,
        caller: &Caller,
        visitor_id: &str,
        choices: &[(ConsentPurpose, bool)],
    ) -> Result<RecordConsentResponse, Status> {
        let request = caller.request(request(visitor_id, choices));
        Ok(self.ledger().record_consent(request).await?.into_inner())
    }
}

pub(crate) fn request(visitor_id: &str, choices: &[(ConsentPurpose, bool)]) -> RecordConsentRequest {
    let choice = |(purpose, given): &(ConsentPurpose, bool)| ConsentChoice {
        purpose: (*purpose).into(),
        given: *given,
    };
    RecordConsentRequest {
        visitor_id: visitor_id.to_owned(),
        choices: choices.iter().map(choice).collect(),
        shown_version: "banner-1".to_owned(),
        shown_text: "May we count visits?".to_owned(),
    }
}

/// Adds the metadata that the gateway sends about a caller whose browser sends the signal.
pub(crate) fn signalling<T>(mut request: Request<T>) -> Request<T> {
    request.metadata_mut().insert(PRIVACY_SIGNAL, "1".parse().expect("a value"));
    request
}

/// Whether a purpose is given, and whether it was decided.
pub(crate) fn standing(
    standings: &[levqor_proto_compliance::v1::ConsentStanding],
    purpose: ConsentPurpose,
) -> (bool, bool) {
    let found = standings.iter().find(|it| it.purpose() == purpose).expect("every purpose stands");
    (found.given, found.decided)
}

#[tokio::test]
async fn giving_and_withdrawing_are_one_call_each_and_nothing_is_given_before() {
    let bench = Bench::start().await;
    let first = bench.record(&Caller::anonymous(), "", &[]).await.expect("an answer");
    assert!(first.standings.iter().all(|it| !it.given && !it.decided), "nothing is ticked in advance");
    let id = first.visitor_id;
    for given in [true, false] {
        let choice = [(ConsentPurpose::CookiesAnalytics, given)];
        let answer = bench.record(&Caller::anonymous(), &id, &choice).await.expect("recorded");
        assert_eq!(standing(&answer.standings, ConsentPurpose::CookiesAnalytics), (given, true));
        assert_eq!(standing(&answer.standings, ConsentPurpose::CookiesMarketing), (false, false));
    }
    assert_eq!(bench.count(&format!("declarations WHERE visitor_id = '{id}'")).await, 2, "the proof stays");
}

#[tokio::test]
async fn the_proof_has_the_shown_text_and_the_callers_address() {
    let bench = Bench::start().await;
    let mut asked = ada().request(request("", &[(ConsentPurpose::CookiesFunctional, true)]));
    asked.metadata_mut().insert(CLIENT_NETWORK, "192.0.2.0/24".parse().expect("a value"));
    asked.metadata_mut().insert(CLIENT_PROGRAM, "Firefox".parse().expect("a value"));
    bench.ledger().record_consent(asked).await.expect("recorded");
    let proof = "declarations WHERE owner_sub = 'ada' AND email = 'ada@example.com' AND version = 'banner-1'
                 AND text_sha256 = encode(sha256('May we count visits?'), 'hex') AND client_network = '192.0.2.0/24'
                 AND client_program = 'Firefox' AND octet_length(address_hash) = 32 AND NOT by_signal";
    assert_eq!(bench.count(proof).await, 1);
}

#[tokio::test]
async fn the_signal_withdraws_the_consents_that_it_covers_and_is_recorded_once() {
    let bench = Bench::start().await;
    let choices = [(ConsentPurpose::CookiesMarketing, true), (ConsentPurpose::CookiesAnalytics, true)];
    let id = bench.record(&Caller::anonymous(), "", &choices).await.expect("recorded").visitor_id;
    for _ in 0..2 {
        let asked = signalling(Caller::anonymous().request(request(&id, &[])));
        let answer = bench.ledger().record_consent(asked).await.expect("recorded").into_inner();
        assert!(answer.signal_honoured);
        assert_eq!(standing(&answer.standings, ConsentPurpose::CookiesMarketing), (false, true));
        assert_eq!(standing(&answer.standings, ConsentPurpose::CookiesAnalytics), (true, true));
    }
    assert_eq!(
        bench.count("declarations WHERE by_signal AND NOT given AND scope = 'COOKIES_MARKETING'").await,
        1
    );
    // A click does not outweigh it.
    let asked = signalling(Caller::anonymous().request(request(&id, &choices[..1])));
    let answer = bench.ledger().record_consent(asked).await.expect("recorded").into_inner();
    assert_eq!(standing(&answer.standings, ConsentPurpose::CookiesMarketing), (false, true));
}

#[tokio::test]
async fn advertising_by_mail_needs_a_verified_address_and_notifications_gets_the_consent() {
    let bench = Bench::start().await;
    let choice = [(ConsentPurpose::MailProductUpdates, true)];
    for caller in [Caller::anonymous(), Caller::unverified("eve", "eve@example.com")] {
        let refused = bench.record(&caller, "", &choice).await.expect_err("no address is proven");
        assert_eq!(reason(&refused), "EMAIL_NOT_VERIFIED");
    }
    bench.record(&ada(), "", &choice).await.expect("recorded");
    assert_eq!(bench.count("runtime.work WHERE rpc LIKE '%/ApplyPermission'").await, 1);
}

#[tokio::test]
async fn a_repeated_call_records_once_and_a_wrong_one_names_its_mistakes() {
    let bench = Bench::start().await;
    let caller = ada().with_key("once");
    for _ in 0..2 {
        bench.record(&caller, "", &[(ConsentPurpose::CookiesAnalytics, true)]).await.expect("recorded");
    }
    assert_eq!(bench.count("declarations").await, 1);
    let twice = [(ConsentPurpose::CookiesAnalytics, true), (ConsentPurpose::CookiesAnalytics, false)];
    let refused = bench.record(&ada(), "me", &twice).await.expect_err("not valid");
    let violated = levqor_runtime::testing::violated(&refused);
    assert_eq!(violated, ["visitor_id", "choices.purpose"]);
}

#[tokio::test]
async fn the_ledger_is_append_only_and_an_erasure_removes_only_the_person() {
    let bench = Bench::start().await;
    bench.record(&ada(), "", &[(ConsentPurpose::CookiesAnalytics, true)]).await.expect("recorded");
    for forbidden in [
        "UPDATE declarations SET given = false",
        "UPDATE declarations SET declare_time = runtime.now()",
        "UPDATE declarations SET email = 'bob@example.com'",
        "UPDATE declarations SET address_hash = NULL",
        "DELETE FROM declarations",
        "TRUNCATE declarations",
    ] {
        let refused = sqlx::query(forbidden).execute(bench.db.pool()).await.expect_err(forbidden);
        assert!(refused.to_string().contains("append-only"), "{forbidden}: {refused}");
    }
    bench.execute("UPDATE declarations SET email = NULL, owner_sub = NULL").await;
    assert_eq!(bench.count("declarations WHERE given AND address_hash IS NOT NULL").await, 1);
}
