//! Staff enter a withdrawal that came by letter: the ledger and notifications have it.

use levqor_proto_compliance::v1::{ConsentPurpose, EnterConsentWithdrawalRequest};
use levqor_runtime::testing::{Caller, refused, violated};

use crate::bench::{Bench, ada};

#[tokio::test]
async fn a_withdrawal_by_letter_is_about_all_advertising_if_it_names_nothing() {
    let bench = Bench::start().await;
    bench.record(&ada(), "", &[(ConsentPurpose::MailProductUpdates, true)]).await.expect("recorded");
    let request = EnterConsentWithdrawalRequest { email: "ada@example.com".to_owned(), ..Default::default() };
    let enter = async |caller: Caller| {
        let request = caller.with_key("a-letter").request(request.clone());
        bench.ledger().enter_consent_withdrawal(request).await
    };
    assert!(enter(ada()).await.is_err(), "only staff");
    let entered = enter(Caller::staff()).await.expect("entered").into_inner();
    assert!(entered.standings.iter().all(|standing| !standing.given));
    let withdrawn = "declarations WHERE source = 'staff' AND NOT given AND scope LIKE 'MAIL_%'";
    assert_eq!(bench.count(withdrawn).await, 5);
    // One for her consent, and five for the withdrawals.
    assert_eq!(bench.count("runtime.work WHERE rpc LIKE '%/ApplyPermission'").await, 6);
    assert_eq!(bench.count("runtime.audit_entries WHERE action = 'consent.enter_withdrawal'").await, 1);
}

#[tokio::test]
async fn a_withdrawal_is_about_advertising_by_mail() {
    let bench = Bench::start().await;
    let request = EnterConsentWithdrawalRequest {
        email: "nobody".to_owned(),
        purposes: vec![ConsentPurpose::CookiesMarketing.into()],
    };
    let request = Caller::staff().with_key("a-letter").request(request);
    let wrong = refused(bench.ledger().enter_consent_withdrawal(request).await);
    assert_eq!(violated(&wrong), ["email", "purposes"]);
}
