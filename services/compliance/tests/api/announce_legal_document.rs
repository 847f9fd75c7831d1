//! A new version is announced by mail, once to each person who accepted an earlier one or the terms, whatever is repeated.

use chrono::TimeDelta;
use levqor_proto_compliance::v1::{AnnounceLegalDocumentRequest, LegalDocumentKind};
use levqor_proto_mail::v1::send_message_request::Content;
use levqor_runtime::testing::{Caller, eventually};

use crate::{
    accept_legal_document::accept,
    bench::{Bench, ada, bob},
    publish_legal_document::{publish, publish_of},
};

#[tokio::test]
async fn everybody_gets_one_mail_however_often_the_call_is_made() {
    let bench = Bench::start().await;
    for caller in [ada(), ada(), bob()] {
        accept(&bench, &caller, "1").await.expect("accepted");
    }
    // More people than one call tells.
    bench
        .execute(
            "INSERT INTO declarations (declaration_id, kind, scope, given, email, version, text_sha256, source, by_signal, declare_time)
             SELECT gen_random_uuid(), 'ACCEPTANCE', 'TERMS', true, 'p' || n || '@example.com', '1', '', 'website', false, runtime.now()
             FROM generate_series(1, 240) AS n",
        )
        .await;
    let document = publish(&bench, "2", true).await.expect("published");
    let told = "runtime.work WHERE rpc LIKE '%/SendMessage' AND idempotency_key LIKE 'legal-document:%'";
    eventually("everybody is told", || async { (bench.count(told).await == 242).then_some(()) }).await;
    let caller = Caller::service("compliance", "compliance");
    // The second one is a call of version 0.1.0.
    for after_email in ["", "bob@example.com"] {
        let again = AnnounceLegalDocumentRequest {
            legal_document_id: document.legal_document_id.clone(),
            after_email: after_email.to_owned(),
            ..Default::default()
        };
        bench.legal().announce_legal_document(caller.request(again)).await.expect("made again");
        assert_eq!(bench.count(told).await, 242, "nobody is told twice");
    }
    let mails = bench.mails("ada@example.com").await;
    let [Content::TermsUpdated(mail)] = &mails[..] else { panic!("one mail") };
    assert!(mail.acceptance_required && mail.document == "Terms of Service");
    assert_eq!(mail.changes, ["Refunds take a day."]);
}

#[tokio::test]
async fn a_person_who_accepted_only_the_terms_gets_a_mail_about_a_new_privacy_notice() {
    let bench = Bench::start().await;
    accept(&bench, &ada(), "1").await.expect("accepted");
    publish_of(&bench, LegalDocumentKind::Privacy, "2", false).await.expect("published");
    let told = || async {
        let mails = bench.mails("ada@example.com").await;
        mails.into_iter().find_map(|mail| match mail {
            Content::TermsUpdated(mail) => Some(mail.document),
            _ => None,
        })
    };
    assert_eq!(eventually("she is told", told).await, "Privacy Notice");
}

#[tokio::test]
async fn a_waiting_call_has_no_personal_data_so_an_erasure_does_not_remove_it() {
    const CALLS: &str = "runtime.work WHERE rpc LIKE '%/AnnounceLegalDocument'";
    let bench = Bench::start().await;
    // More people than one call tells. The second call cannot read the last address, so it waits.
    bench
        .execute(
            "INSERT INTO declarations (declaration_id, kind, scope, given, email, version, text_sha256, source, by_signal, declare_time)
             SELECT gen_random_uuid(), 'ACCEPTANCE', 'TERMS', true, 'p' || n || '@example.com', '1', '', 'website', false, runtime.now()
             FROM generate_series(1, 150) AS n
             UNION ALL
             SELECT 'ffffffff-ffff-4fff-bfff-ffffffffffff', 'ACCEPTANCE', 'TERMS', true, 'nowhere', '1', '', 'website', false,
                    runtime.now()",
        )
        .await;
    publish(&bench, "2", true).await.expect("published");
    eventually("the second call waits", || async {
        (bench.count(&format!("{CALLS} AND failure <> ''")).await == 1).then_some(())
    })
    .await;
    assert_eq!(bench.count(&format!("{CALLS} AND encode(request, 'escape') LIKE '%@%'")).await, 0);
    // As an erasure does.
    bench.execute("UPDATE declarations SET email = NULL WHERE email = 'nowhere'").await;
    bench.advance(TimeDelta::hours(1)).await;
    eventually("everybody is told", || async {
        let told = "runtime.work WHERE rpc LIKE '%/SendMessage' AND idempotency_key LIKE 'legal-document:%'";
        (bench.count(told).await == 150).then_some(())
    })
    .await;
}
