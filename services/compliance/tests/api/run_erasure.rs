//! An erasure runs when its days of grace are over: no data of the person remains, and all data of others does.

use chrono::TimeDelta;
use levqor_proto_compliance::v1::{
    ConsentPurpose, DownloadDataExportRequest, LegalHold, Right, RunErasureRequest, RunErasureResponse,
    data_request::State,
};
use levqor_proto_mail::v1::send_message_request::Content;
use levqor_proto_runtime::v1::{GetRecordedErasureIdsRequest, ledger_service_client::LedgerServiceClient};
use levqor_runtime::testing::{Caller, drive::FakeDrive, eventually, reason};
use tonic::Status;

use crate::{
    approve_erasure::approve,
    bench::{Bench, FakePeer, LOCKING, ada, bob},
    get_erasure_preview::preview,
    place_legal_hold::place,
};

/// The pattern of the statement by which an erasure ends the person's other requests.
const ENDING: &str = "UPDATE data_requests SET state = ''CANCELLED'', finish_time%";

#[tokio::test]
async fn nothing_is_left_of_the_person_and_everything_of_the_others() {
    let bench = Bench::start().await;
    let others = bench.create(&bob(), Right::Erasure).await.expect("created").data_request_id;
    let id = bench.create(&ada(), Right::Erasure).await.expect("created").data_request_id;
    let hash = preview(&bench, &ada(), &id).await.expect("a preview").preview_hash;
    approve(&bench, &ada(), &id, &hash).await.expect("approved");
    bench.advance(TimeDelta::days(6)).await;
    assert_eq!(bench.get(&ada(), &id).await.expect("found").state(), State::Scheduled);
    bench.pass(2).await;
    bench.until(&id, State::InProgress).await;
    let told = || async {
        let mails = bench.mails("ada@example.com").await;
        mails.iter().any(|mail| matches!(mail, Content::ErasureDone(_))).then_some(())
    };
    eventually("the person is told", told).await;
    let told = bench.told("NotifyOperators", &format!("data-request:{id}:erased")).await;
    assert_eq!(told, 1, "operators tell the recipients");
    bench.advance(TimeDelta::minutes(11)).await;
    let done = bench.until(&id, State::Done).await;
    let erased = |table: &str| done.erased.iter().find(|it| it.table == table).map(|it| it.rows);
    assert_eq!(erased("data_requests"), Some(1));
    assert!(erased("runtime.work").is_some_and(|rows| rows >= 3), "{:?}", done.erased);
    for rows in [
        "data_requests WHERE email = 'ada@example.com' OR owner_sub = 'ada' OR subject::text LIKE '%ada%'",
        "runtime.work WHERE encode(request, 'escape') LIKE '%ada@example.com%'",
        "runtime.audit_actors WHERE sub = 'ada'",
        "runtime.idempotency_records WHERE caller = 'user:ada'",
    ] {
        assert_eq!(bench.count(rows).await, 0, "{rows}");
    }
    assert_eq!(bench.get(&bob(), &others).await.expect("his request").state(), State::AwaitingApproval);
    assert_eq!(bench.count("runtime.audit_actors WHERE sub = 'bob'").await, 1);
    assert_eq!(bench.get(&Caller::staff(), &id).await.expect("the evidence").state(), State::Done);
}

/// Approves an erasure of Ada, and lets its days of grace pass.
pub(crate) async fn due(bench: &Bench) -> String {
    let id = bench.create(&ada(), Right::Erasure).await.expect("created").data_request_id;
    let hash = preview(bench, &ada(), &id).await.expect("a preview").preview_hash;
    approve(bench, &ada(), &id, &hash).await.expect("approved");
    id
}

/// Runs an erasure, as the service itself does when it is due.
async fn run(bench: &Bench, id: &str) -> Result<RunErasureResponse, Status> {
    let request = RunErasureRequest { data_request_id: id.to_owned() };
    let caller = Caller::service("compliance", "compliance");
    Ok(bench.client().run_erasure(caller.request(request)).await?.into_inner())
}

#[tokio::test]
async fn the_ledger_does_not_go_to_google_drive() {
    let drive = FakeDrive::start();
    let bench = Bench::start_with_drive(drive.settings()).await;
    let id = due(&bench).await;
    bench.advance(TimeDelta::days(8)).await;
    eventually("the person is told", || async {
        (bench.count("erasures WHERE step = 'TOLD'").await == 1).then_some(())
    })
    .await;
    assert_eq!(bench.recorded_erasures(), [format!("{id}.json")]);
    assert_eq!(drive.names(), Vec::<String>::new());
}

/// The recorded erasures, as another service gets them when it starts.
async fn recorded(bench: &Bench) -> Result<Vec<String>, Status> {
    let request = GetRecordedErasureIdsRequest { service: "compliance".to_owned(), ..Default::default() };
    let request = Caller::service("billing", "compliance").request(request);
    let answer = LedgerServiceClient::new(bench.channel()).get_recorded_erasure_ids(request).await?;
    Ok(answer.into_inner().erasure_ids)
}

#[tokio::test]
async fn the_ledger_has_an_erasure_before_the_mail_and_shows_it_once_only_compliance_has_rows() {
    let bench = Bench::start().await;
    let id = due(&bench).await;
    bench.advance(TimeDelta::days(8)).await;
    eventually("the person is told", || async {
        (bench.count("erasures WHERE step = 'TOLD'").await == 1).then_some(())
    })
    .await;
    assert_eq!(bench.recorded_erasures(), [format!("{id}.json")]);
    assert_eq!(
        recorded(&bench).await.expect("the ids"),
        Vec::<String>::new(),
        "a legal hold can still stop it"
    );
    bench.advance(TimeDelta::minutes(11)).await;
    bench.until(&id, State::Done).await;
    assert_eq!(recorded(&bench).await.expect("the ids"), [id]);
    // Without it, no mail says that nothing was erased.
    std::fs::remove_dir_all(bench.ledger_folder()).expect("removed");
    let refused = recorded(&bench).await.expect_err("it is known that one was");
    assert_eq!(reason(&refused), "LEDGER_INCOMPLETE");
}

#[tokio::test]
async fn the_person_gets_a_mail_only_after_the_ledger_has_the_erasure() {
    let bench = Bench::start().await;
    due(&bench).await;
    // No entry can be written: its folder is a file.
    std::fs::write(bench.ledger_folder(), "").expect("written");
    bench.advance(TimeDelta::days(8)).await;
    eventually("the erasure is tried", || async {
        let failed = "runtime.work WHERE rpc LIKE '%/RunErasure' AND failure LIKE '%STORAGE_UNAVAILABLE%'";
        (bench.count(failed).await > 0).then_some(())
    })
    .await;
    assert_eq!(bench.count("erasures WHERE step = 'ERASING'").await, 1);
    let mails = bench.mails("ada@example.com").await;
    assert!(!mails.iter().any(|mail| matches!(mail, Content::ErasureDone(_))), "she was told");
    std::fs::remove_file(bench.ledger_folder()).expect("removed");
    bench.advance(TimeDelta::hours(2)).await;
    eventually("the person is told", || async {
        (bench.count("erasures WHERE step = 'TOLD'").await == 1).then_some(())
    })
    .await;
    assert_eq!(bench.recorded_erasures().len(), 1);
}

#[tokio::test]
async fn a_copy_in_a_storage_without_settings_keeps_the_erasure_open_and_operators_get_a_notice() {
    let drive = FakeDrive::start();
    let bench = Bench::start_with_drive(drive.settings()).await;
    let copy = bench.create(&ada(), Right::Access).await.expect("created").data_request_id;
    bench.until(&copy, State::Done).await;
    bench.advance(TimeDelta::days(2)).await;
    // As if it was written with another Google client.
    bench
        .service
        .execute("UPDATE data_exports SET places = array_replace(places, places[1], places[1] || 'x')")
        .await;
    let id = due(&bench).await;
    bench.advance(TimeDelta::days(8)).await;
    eventually("operators are told", || async {
        (bench.told("NotifyOperators", "copy-away:%").await == 1).then_some(())
    })
    .await;
    eventually("the erasure is tried", || async {
        let failed = "runtime.work WHERE rpc LIKE '%/RunErasure' AND failure <> ''";
        (bench.count(failed).await > 0).then_some(())
    })
    .await;
    assert_eq!(bench.get(&ada(), &id).await.expect("found").state(), State::InProgress);
    assert_eq!(bench.count("erasures WHERE step = 'ERASING'").await, 1);
    assert_eq!(bench.count("data_exports WHERE state = 'READY'").await, 1);
    let download = ada().request(DownloadDataExportRequest { data_request_id: copy });
    let refused = bench.client().download_data_export(download).await.expect_err("not any more");
    assert_eq!(reason(&refused), "EXPORT_NOT_READY");
    // The storage is set again.
    let again = "UPDATE data_exports SET places = array_replace(places, places[1], rtrim(places[1], 'x'))";
    bench.service.execute(again).await;
    bench.advance(TimeDelta::hours(2)).await;
    eventually("the person is told", || async {
        (bench.count("erasures WHERE step = 'TOLD'").await == 1).then_some(())
    })
    .await;
    assert_eq!(drive.names(), Vec::<String>::new());
    assert_eq!(bench.count("data_exports WHERE state = 'DELETED'").await, 1);
    assert_eq!(bench.told("NotifyOperators", "copy-away:%").await, 1, "once");
    assert_eq!(bench.told("EndOperatorNotice", "copy-away:%").await, 1);
}

#[tokio::test]
async fn the_other_open_requests_of_the_person_end_when_it_begins_and_again_before_its_last_step() {
    let bench = Bench::start().await;
    let id = due(&bench).await;
    bench.advance(TimeDelta::days(2)).await;
    let second = bench.create(&ada(), Right::Erasure).await.expect("created").data_request_id;
    let others = bench.create(&bob(), Right::Erasure).await.expect("created").data_request_id;
    let state = async |id: &str| bench.get(&Caller::staff(), id).await.expect("found").state();
    bench.advance(TimeDelta::days(6)).await;
    bench.until(&id, State::InProgress).await;
    assert_eq!(state(&second).await, State::Cancelled, "it ended when the erasure began");
    eventually("the person is told", || async {
        (bench.count("erasures WHERE step = 'TOLD'").await == 1).then_some(())
    })
    .await;
    let third = bench.create(&ada(), Right::Erasure).await.expect("created meanwhile").data_request_id;
    assert_eq!(state(&third).await, State::AwaitingApproval);
    bench.advance(TimeDelta::minutes(11)).await;
    bench.until(&id, State::Done).await;
    assert_eq!(state(&third).await, State::Cancelled, "it ended before the last step");
    assert_eq!(state(&others).await, State::AwaitingApproval, "of somebody else");
    assert_eq!(bench.count("data_requests WHERE email = 'ada@example.com'").await, 0);
}

#[tokio::test]
async fn two_calls_at_once_take_each_step_once() {
    let bench = Bench::start().await;
    let id = due(&bench).await;
    // All calls wait for this row, so each of them has found the erasure approved and not begun.
    let row = bench.held("SELECT FROM data_requests FOR UPDATE").await;
    bench.pass(8).await;
    let release = async {
        bench.until_waiting(LOCKING, 3).await;
        row.commit().await.expect("released");
    };
    let run = || run(&bench, &id);
    // A call that meets another may fail, and is made again; it must not do anything twice.
    let _ = tokio::join!(run(), run(), run(), release);
    let told = || async {
        let mails = bench.mails("ada@example.com").await;
        let told = mails.iter().filter(|mail| matches!(mail, Content::ErasureDone(_))).count();
        (told > 0).then_some(told)
    };
    assert_eq!(eventually("the person is told", told).await, 1);
    bench.advance(TimeDelta::minutes(11)).await;
    let _ = tokio::join!(run(), run(), run());
    bench.until(&id, State::Done).await;
    let done = bench.get(&Caller::staff(), &id).await.expect("found");
    let own: Vec<_> = done.erased.iter().filter(|it| it.table == "data_requests").map(|it| it.rows).collect();
    assert_eq!(own, [1], "{:?}", done.erased);
    assert_eq!(bench.count("erasures WHERE step = 'COMPLETE'").await, 1);
    assert_eq!(bench.count("runtime.audit_entries WHERE action = 'subject.erase'").await, 1);
}

#[tokio::test]
async fn a_legal_hold_that_is_placed_while_an_erasure_begins_stops_it() {
    let bench = Bench::start().await;
    let id = due(&bench).await;
    bench.advance(TimeDelta::days(2)).await;
    bench.create(&ada(), Right::Erasure).await.expect("created");
    // The beginning ends this request, so it waits here. By then it has found no hold.
    let other = bench.held("SELECT FROM data_requests WHERE state = 'AWAITING_APPROVAL' FOR UPDATE").await;
    bench.advance(TimeDelta::days(6)).await;
    bench.until_waiting(ENDING, 1).await;
    let hold = place(&bench, &Caller::staff(), "case-7", "ada@example.com").await.expect("placed");
    other.commit().await.expect("released");
    eventually("the hold is in the way", || async {
        let found = bench.get(&Caller::staff(), &id).await.ok()?;
        (found.obstacles == [format!("LEGAL_HOLD {}", hold.legal_hold_id)]).then_some(())
    })
    .await;
    assert_eq!(bench.count("runtime.receipts").await, 0, "nothing is erased");
}

/// Waits until an erasure has met a hold, and lets it look again.
async fn until_held(bench: &Bench, id: &str, hold: &LegalHold) {
    eventually("the call has failed", || async {
        let failed = "runtime.work WHERE rpc LIKE '%/RunErasure' AND failure LIKE '%ERASURE_PARTIAL%'";
        (bench.count(failed).await > 0).then_some(())
    })
    .await;
    bench.advance(TimeDelta::hours(2)).await;
    eventually("the hold is in the way", || async {
        let found = bench.get(&Caller::staff(), id).await.ok()?;
        (found.obstacles == [format!("LEGAL_HOLD {}", hold.legal_hold_id)]).then_some(())
    })
    .await;
}

#[tokio::test]
async fn no_further_call_erases_after_a_legal_hold_is_placed() {
    let support = FakePeer::start().await;
    let bench = Bench::start_with_peers(&support, false).await;
    let id = due(&bench).await;
    bench.pass(8).await;
    eventually("support erases", || async { (support.count("erase") > 0).then_some(()) }).await;
    let hold = place(&bench, &Caller::staff(), "case-7", "ada@example.com").await.expect("placed");
    let calls = support.count("erase");
    // It answers that there is more to erase.
    support.let_continue(calls);
    until_held(&bench, &id, &hold).await;
    assert_eq!(support.count("erase"), calls, "it is not called again");
}

#[tokio::test]
async fn no_mail_about_an_erasure_is_sent_after_a_legal_hold_is_placed() {
    let support = FakePeer::start().await;
    let bench = Bench::start_with_peers(&support, false).await;
    let id = due(&bench).await;
    bench.pass(8).await;
    support.let_continue(2);
    eventually("support has erased, and counts", || async { (support.count("count") > 0).then_some(()) })
        .await;
    let hold = place(&bench, &Caller::staff(), "case-7", "ada@example.com").await.expect("placed");
    support.let_continue(1);
    until_held(&bench, &id, &hold).await;
    let mails = bench.mails("ada@example.com").await;
    assert!(!mails.iter().any(|mail| matches!(mail, Content::ErasureDone(_))), "not told");
    assert_eq!(bench.count("erasures WHERE step = 'ERASING'").await, 1);
}

#[tokio::test]
async fn a_copy_that_becomes_whole_while_an_erasure_begins_is_removed() {
    let bench = Bench::start().await;
    let id = due(&bench).await;
    bench.advance(TimeDelta::days(2)).await;
    // The build reads this table, so it waits here.
    let table = bench.held("LOCK TABLE declarations IN ACCESS EXCLUSIVE MODE").await;
    bench.create(&ada(), Right::Access).await.expect("created");
    eventually("the build has begun", || async {
        (bench.count("data_exports WHERE state = 'BUILDING'").await == 1).then_some(())
    })
    .await;
    // The end of the build waits for this row, and the beginning of the erasure waits behind it.
    let row = bench.held("SELECT FROM data_requests WHERE entitlement = 'ACCESS' FOR UPDATE").await;
    table.commit().await.expect("released");
    bench.until_waiting(LOCKING, 1).await;
    bench.advance(TimeDelta::days(6)).await;
    let release = async {
        bench.until_waiting(ENDING, 1).await;
        row.commit().await.expect("released");
    };
    // The service makes the same call: the two may meet.
    let _ = tokio::join!(run(&bench, &id), release);
    eventually("the person is told", || async {
        (bench.count("erasures WHERE step = 'TOLD'").await == 1).then_some(())
    })
    .await;
    assert_eq!(bench.count("data_exports WHERE state = 'DELETED'").await, 1);
    assert_eq!(bench.files(), Vec::<String>::new(), "nothing of the copy is left");
}

#[tokio::test]
async fn the_proof_of_a_declaration_outlives_the_person_without_personal_data() {
    let bench = Bench::start().await;
    let choice = [(ConsentPurpose::CookiesAnalytics, true)];
    bench.record(&ada(), "", &choice).await.expect("recorded");
    bench.record(&bob(), "", &choice).await.expect("recorded");
    let id = due(&bench).await;
    bench.pass(8).await;
    eventually("the person is told", || async {
        (bench.count("erasures WHERE step = 'TOLD'").await == 1).then_some(())
    })
    .await;
    bench.advance(TimeDelta::minutes(11)).await;
    bench.until(&id, State::Done).await;
    let proof = "declarations WHERE given AND owner_sub IS NULL AND email IS NULL AND octet_length(address_hash) = 32";
    assert_eq!(bench.count(proof).await, 1);
    assert_eq!(bench.count("declarations WHERE owner_sub = 'bob' AND email = 'bob@example.com'").await, 1);
}
