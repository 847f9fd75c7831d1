//! One call returns the consents that are in force now, for a visitor and for a person who is signed in.

use levqor_proto_compliance::v1::{ConsentPurpose, GetConsentStateRequest, GetConsentStateResponse};
use levqor_runtime::testing::Caller;

use crate::{
    bench::{Bench, ada, bob},
    record_consent::{signalling, standing},
};

async fn state(bench: &Bench, caller: &Caller, visitor_id: &str, signal: bool) -> GetConsentStateResponse {
    let request = caller.request(GetConsentStateRequest { visitor_id: visitor_id.to_owned() });
    let request = if signal { signalling(request) } else { request };
    bench.ledger().get_consent_state(request).await.expect("the state").into_inner()
}

#[tokio::test]
async fn a_visitor_sees_their_own_choices_and_a_person_theirs() {
    let bench = Bench::start().await;
    let choice = [(ConsentPurpose::CookiesMarketing, true)];
    let id = bench.record(&Caller::anonymous(), "", &choice).await.expect("recorded").visitor_id;
    let marketing =
        |answer: &GetConsentStateResponse| standing(&answer.standings, ConsentPurpose::CookiesMarketing);
    assert_eq!(marketing(&state(&bench, &Caller::anonymous(), &id, false).await), (true, true));
    assert_eq!(marketing(&state(&bench, &Caller::anonymous(), "", false).await), (false, false));
    assert_eq!(marketing(&state(&bench, &ada(), "", false).await), (false, false));
    assert_eq!(marketing(&state(&bench, &Caller::anonymous(), &id, true).await), (false, true), "the signal");
    bench.record(&ada(), &id, &[(ConsentPurpose::CookiesMarketing, false)]).await.expect("withdrawn");
    assert_eq!(marketing(&state(&bench, &ada(), "", false).await), (false, true));
    assert_eq!(marketing(&state(&bench, &bob(), "", false).await), (false, false));
}
