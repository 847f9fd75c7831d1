//! Staff place a legal hold: this service obeys it at once, and keeps the rows that it would erase.

use levqor_proto_compliance::v1::{
    ConsentPurpose, HoldState, LegalHold, PlaceLegalHoldRequest, Right,
    legal_hold_service_client::LegalHoldServiceClient,
};
use levqor_proto_runtime::v1::{
    ApplyRetentionRequest, EraseSubjectRequest, PreviewErasureRequest, Subject,
    privacy_service_client::PrivacyServiceClient,
};
use levqor_runtime::{
    client::Peer,
    testing::{Caller, eventually, reason, refused, violated},
};
use tonic::Status;

use crate::{
    bench::{Bench, NOBODYS, ada},
    enforce_retention::age,
};

impl Bench {
    pub(crate) fn legal_holds(&self) -> LegalHoldServiceClient<Peer> {
        LegalHoldServiceClient::new(self.channel())
    }
}

/// Places a legal hold on one address, for a matter.
pub(crate) async fn place(
    bench: &Bench,
    caller: &Caller,
    matter: &str,
    email: &str,
) -> Result<LegalHold, Status> {
    let request = PlaceLegalHoldRequest {
        matter: matter.to_owned(),
        reason: "A claim is announced.".to_owned(),
        emails: vec![email.to_owned()],
        ..Default::default()
    };
    let placed = bench.legal_holds().place_legal_hold(caller.with_key(matter).request(request)).await?;
    Ok(placed.into_inner().legal_hold.expect("a legal hold"))
}

/// Ada.
fn subject() -> Subject {
    Subject { subs: vec!["ada".to_owned()], emails: vec!["ada@example.com".to_owned()], ..Subject::default() }
}

/// An erasure of hers in this service alone.
fn erasure() -> EraseSubjectRequest {
    EraseSubjectRequest {
        service: "compliance".to_owned(),
        erasure_id: NOBODYS.to_owned(),
        subject: Some(subject()),
        plans: Vec::new(),
        again: true,
    }
}

#[tokio::test]
async fn a_legal_hold_is_in_force_at_once_and_reaches_every_service() {
    let bench = Bench::start().await;
    assert!(place(&bench, &ada(), "case-7", "ada@example.com").await.is_err(), "only staff");
    let placed = place(&bench, &Caller::staff(), "case-7", "Ada@EXAMPLE.com").await.expect("placed");
    assert_eq!((placed.state(), placed.matter.as_str()), (HoldState::Placing, "case-7"));
    assert_eq!(placed.emails, ["ada@example.com"]);
    assert_eq!(
        bench.count("runtime.holds WHERE stands AND kind = 'LEGAL_HOLD' AND email = 'ada@example.com'").await,
        1
    );
    let again = place(&bench, &Caller::staff(), "case-7", "Ada@EXAMPLE.com").await.expect("the same");
    assert_eq!(again.legal_hold_id, placed.legal_hold_id, "one call is one hold");
    assert_eq!(bench.count("runtime.audit_entries WHERE action = 'legal_hold.place'").await, 1);
    eventually("every service knows", || async {
        (bench.count("placed_holds WHERE state = 'STANDING'").await == 1).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_service_names_a_hold_in_its_preview_and_refuses_to_erase() {
    let bench = Bench::start().await;
    let hold = place(&bench, &Caller::staff(), "case-7", "ada@example.com").await.expect("placed");
    let caller = Caller::service("compliance", "compliance");
    let mut client = PrivacyServiceClient::new(bench.channel());
    let preview = PreviewErasureRequest { service: "compliance".to_owned(), subject: Some(subject()) };
    let preview = client.preview_erasure(caller.request(preview)).await.expect("a preview").into_inner();
    let obstacles: Vec<_> = preview.obstacles.iter().map(|it| (&*it.reason, &*it.about)).collect();
    assert_eq!(obstacles, [("LEGAL_HOLD", &*hold.legal_hold_id)]);
    assert_eq!(reason(&refused(client.erase_subject(caller.request(erasure())).await)), "LEGAL_HOLD");
    assert_eq!(bench.count("runtime.receipts").await, 0, "it has not begun");
}

/// Waits until a hold is stored, uncommitted, so that nothing erases meanwhile.
async fn until_kept_out(bench: &Bench) {
    let keeps_out = "pg_locks WHERE locktype = 'advisory' AND mode = 'ExclusiveLock' AND granted
                     AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
                     AND ((classid::bigint << 32) | objid::bigint) = hashtextextended('holds', 0)";
    eventually("the hold is stored", || async { (bench.count(keeps_out).await == 1).then_some(()) }).await;
}

#[tokio::test]
async fn an_erasure_waits_for_a_legal_hold_that_is_being_placed() {
    let bench = Bench::start().await;
    // The placement writes its audit entry at last, so it waits here. By then it keeps erasures out.
    let head = bench.held("SELECT FROM runtime.audit_head FOR UPDATE").await;
    let staff = Caller::staff();
    let placing = place(&bench, &staff, "case-7", "ada@example.com");
    let erasing = async {
        until_kept_out(&bench).await;
        let mut client = PrivacyServiceClient::new(bench.channel());
        let release = async {
            bench.until_waiting("SELECT pg_advisory_xact_lock_shared%", 1).await;
            head.commit().await.expect("released");
        };
        let caller = Caller::service("compliance", "compliance");
        let (erased, ()) = tokio::join!(client.erase_subject(caller.request(erasure())), release);
        erased
    };
    let (placed, erased) = tokio::join!(placing, erasing);
    placed.expect("placed");
    assert_eq!(reason(&refused(erased)), "LEGAL_HOLD");
    assert_eq!(bench.count("runtime.receipts").await, 0, "it has not begun");
}

#[tokio::test]
async fn the_retention_waits_for_a_legal_hold_that_is_being_placed() {
    let bench = Bench::start().await;
    bench.outlive_slot("enforce_retention", "EnforceRetention").await;
    bench.create(&ada(), Right::Erasure).await.expect("created");
    age(&bench).await;
    // As above.
    let head = bench.held("SELECT FROM runtime.audit_head FOR UPDATE").await;
    let staff = Caller::staff();
    let placing = place(&bench, &staff, "case-7", "ada@example.com");
    let applying = async {
        until_kept_out(&bench).await;
        let mut client = PrivacyServiceClient::new(bench.channel());
        let release = async {
            bench.until_waiting("SELECT pg_advisory_xact_lock_shared%", 1).await;
            head.commit().await.expect("released");
        };
        let request = ApplyRetentionRequest { service: "compliance".to_owned(), run_id: NOBODYS.to_owned() };
        let caller = Caller::service("compliance", "compliance");
        let (applied, ()) = tokio::join!(client.apply_retention(caller.request(request)), release);
        applied
    };
    let (placed, applied) = tokio::join!(placing, applying);
    placed.expect("placed");
    applied.expect("applied");
    assert_eq!(bench.count("data_requests WHERE email = 'ada@example.com'").await, 1, "it stays");
}

#[tokio::test]
async fn an_erasure_stops_between_two_batches_when_a_legal_hold_is_placed() {
    let bench = Bench::start().await;
    bench.create(&ada(), Right::Erasure).await.expect("created");
    bench.execute("UPDATE data_requests SET state = 'CANCELLED', finish_time = runtime.now()").await;
    bench.record(&ada(), "", &[(ConsentPurpose::CookiesAnalytics, true)]).await.expect("recorded");
    // The batch of this table waits here, and the hold waits for the batch. The batch of the requests is later.
    let row = bench.held("SELECT FROM declarations FOR UPDATE").await;
    let mut client = PrivacyServiceClient::new(bench.channel());
    let caller = Caller::service("compliance", "compliance");
    let erasing = client.erase_subject(caller.request(erasure()));
    let placing = async {
        bench.until_waiting("SELECT % AS key, coalesce(%", 1).await;
        let staff = Caller::staff();
        let release = async {
            bench.until_waiting("SELECT pg_advisory_xact_lock(%", 1).await;
            row.commit().await.expect("released");
        };
        let (placed, ()) = tokio::join!(place(&bench, &staff, "case-7", "ada@example.com"), release);
        placed
    };
    let (erased, placed) = tokio::join!(erasing, placing);
    placed.expect("placed");
    assert_eq!(reason(&refused(erased)), "LEGAL_HOLD");
    assert_eq!(bench.count("declarations WHERE owner_sub IS NULL AND email IS NULL").await, 1, "a batch");
    assert_eq!(bench.count("data_requests WHERE owner_sub = 'ada'").await, 1, "nothing after it");
}

#[tokio::test]
async fn a_legal_hold_has_people_and_a_reason() {
    let bench = Bench::start().await;
    let request = Caller::staff().with_key("a-key").request(PlaceLegalHoldRequest::default());
    let wrong = refused(bench.legal_holds().place_legal_hold(request).await);
    assert_eq!(violated(&wrong), ["reason", "emails"]);
    let request = PlaceLegalHoldRequest {
        matter: "case 7".to_owned(),
        reason: "A claim.".to_owned(),
        subs: vec!["ada".to_owned()],
        emails: vec!["nobody".to_owned()],
    };
    let request = Caller::staff().with_key("other").request(request);
    let wrong = refused(bench.legal_holds().place_legal_hold(request).await);
    assert_eq!(violated(&wrong), ["matter", "emails"]);
}
