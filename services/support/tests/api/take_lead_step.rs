//! `TakeLeadStep`: without an answer of notifications the step is taken later. The journeys take all steps.

use levqor_proto_support::v1::TakeLeadStepRequest;
use levqor_runtime::testing::{Caller, reason, refused};

use super::create_guide_lead::guide;
use crate::bench::{Bench, NOBODYS};

#[tokio::test]
async fn a_step_waits_for_notifications_and_a_missing_lead_gets_no_mail() {
    let bench = Bench::start().await;
    let form = Caller::anonymous().request(guide(bench.form_token().await));
    bench.leads().create_guide_lead(form).await.expect("taken");
    let lead_id: String = sqlx::query_scalar("SELECT lead_id::text FROM leads")
        .fetch_one(bench.service.db.pool())
        .await
        .expect("a lead");
    let own = Caller::service("support", "support");
    let step = |lead_id: &str| own.request(TakeLeadStepRequest { lead_id: lead_id.to_owned(), step: 1 });
    let status = refused(bench.leads().take_lead_step(step(&lead_id)).await);
    assert_eq!(reason(&status), "NOTIFICATIONS_UNAVAILABLE");
    assert!(status.message().starts_with("notifications did not answer: "), "{}", status.message());
    assert_eq!(bench.count("leads WHERE next_step = 1").await, 1);
    let gone = bench.leads().take_lead_step(step(NOBODYS)).await.expect("nothing to do");
    assert!(!gone.into_inner().sent);
}

#[tokio::test]
async fn a_customer_who_objects_to_automation_gets_no_mail_of_the_flow() {
    let bench = Bench::start().await;
    let form = Caller::anonymous().request(guide(bench.form_token().await));
    bench.leads().create_guide_lead(form).await.expect("taken");
    bench
        .execute(
            "INSERT INTO runtime.objections (objection_id, email, scope, stands, change_time)
             VALUES (gen_random_uuid(), 'ada@example.com', 'AUTOMATION', true, runtime.now())",
        )
        .await;
    let lead_id: String = sqlx::query_scalar("SELECT lead_id::text FROM leads")
        .fetch_one(bench.service.db.pool())
        .await
        .expect("a lead");
    for step in 1..=3 {
        let request = TakeLeadStepRequest { lead_id: lead_id.clone(), step };
        let own = Caller::service("support", "support").request(request);
        let taken = bench.leads().take_lead_step(own).await.expect("notifications need not be asked");
        assert!(!taken.into_inner().sent, "{step}");
    }
    assert_eq!(bench.mails().await.len(), 1, "only the guide, which was asked for");
    assert_eq!(bench.count("leads WHERE flow_end = 'NOT_ALLOWED'").await, 1);
}
