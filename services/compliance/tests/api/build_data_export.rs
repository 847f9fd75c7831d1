//! `BuildDataExport`: builds the copy of a person's data, an encrypted ZIP.

use std::io::{Cursor, Read};

use levqor_proto_compliance::v1::{DataRequest, DownloadDataExportRequest, Right, data_request::State};
use levqor_proto_mail::v1::send_message_request::Content;
use levqor_runtime::{
    config::Env,
    testing::{
        Caller,
        drive::{self, FakeDrive},
        eventually,
    },
};

use crate::bench::{Bench, ada, bob, bytes};

/// How many rows the largest copy has.
const ROWS: i64 = 100_000;
/// How much the memory may grow while it is built.
const MOST_GROWTH: usize = 64 << 20;
/// Inserts a tenth of `ROWS`.
const SEED: &str = "INSERT INTO declarations
    (declaration_id, kind, scope, given, owner_sub, email, version, text_sha256, source, by_signal, client_network, client_program,
     declare_time)
    SELECT gen_random_uuid(), 'CONSENT', 'COOKIES_ANALYTICS', n % 2 = 0, 'ada', 'ada@example.com', '2026-11-01', repeat('a', 64),
           'WEBSITE', false, '203.0.113.0/24', 'Mozilla/5.0 (X11; Linux x86_64), a browser',
           runtime.now() - n * interval '1 second'
    FROM generate_series(1, 10000) AS n";

/// Downloads and opens the copy of a request.
pub(crate) async fn opened(bench: &Bench, caller: &Caller, id: &str) -> zip::ZipArchive<Cursor<Vec<u8>>> {
    let request = DownloadDataExportRequest { data_request_id: id.to_owned() };
    let download = bench.client().download_data_export(caller.request(request)).await.expect("a download");
    let archive = bytes(download.into_inner()).await.expect("whole");
    zip::ZipArchive::new(Cursor::new(archive)).expect("a ZIP")
}

#[tokio::test]
async fn a_copy_has_the_rows_twice_with_a_manifest_and_a_page() {
    let bench = Bench::start().await;
    let id = bench.create(&ada(), Right::Access).await.expect("created").data_request_id;
    let done = bench.until(&id, State::Done).await;
    let export = done.export.expect("a copy");
    assert!(export.row_count >= 2 && export.size_bytes > 500, "{export:?}");
    let mut zip = opened(&bench, &ada(), &id).await;
    let mut read = |name: &str| {
        let mut text = String::new();
        zip.by_name(name).expect(name).read_to_string(&mut text).expect("text");
        text
    };
    let rows: serde_json::Value = serde_json::from_str(&read("compliance/data_requests.json")).expect("JSON");
    assert_eq!(rows[0]["email"], "ada@example.com");
    assert!(read("compliance/data_requests.csv").contains("ada@example.com"));
    let work: serde_json::Value = serde_json::from_str(&read("compliance/runtime.work.json")).expect("JSON");
    assert_eq!(work[0]["request"]["recipient"], "ada@example.com", "{work}");
    let manifest: serde_json::Value = serde_json::from_str(&read("manifest.json")).expect("JSON");
    assert_eq!(manifest["row_count"], export.row_count);
    assert!(read("index.html").contains("compliance/data_requests.csv"));
}

#[tokio::test]
async fn a_copy_whose_building_began_before_an_erasure_does_not_survive_it() {
    let bench = Bench::start().await;
    // The build reads this table, so it waits here.
    let mut held = bench.db.begin().await.expect("a transaction");
    sqlx::query("LOCK TABLE declarations IN ACCESS EXCLUSIVE MODE")
        .execute(&mut *held)
        .await
        .expect("locked");
    let id = bench.create(&ada(), Right::Access).await.expect("created").data_request_id;
    eventually("the build has begun", || async {
        (bench.count("data_exports WHERE state = 'BUILDING'").await == 1).then_some(())
    })
    .await;
    // The erasure ends the request, as `end_others` does.
    bench
        .execute(
            "UPDATE data_requests SET state = 'CANCELLED', finish_time = runtime.now();
             UPDATE data_exports SET delete_time = runtime.now()",
        )
        .await;
    drop(held);
    eventually("the build is over", || async {
        (bench.count("runtime.work WHERE rpc LIKE '%/BuildDataExport'").await == 0).then_some(())
    })
    .await;
    assert_eq!(bench.get(&Caller::staff(), &id).await.expect("found").state(), State::Cancelled);
    assert_eq!(bench.count("data_exports WHERE state = 'READY'").await, 0);
    assert_eq!(bench.files(), Vec::<String>::new(), "nothing of the copy is left");
    let mails = bench.mails("ada@example.com").await;
    let is_link = |mail: &Content| matches!(mail, Content::DataRequestLink(_));
    assert!(!mails.iter().any(is_link), "no link goes out");
}

#[tokio::test]
async fn a_copy_goes_to_the_folder_while_the_bucket_fails_and_operators_get_a_notice() {
    let bench = Bench::start_without_its_bucket().await;
    let id = bench.create(&ada(), Right::Access).await.expect("created").data_request_id;
    bench.until(&id, State::Done).await;
    assert_eq!(bench.files().len(), 1, "{:?}", bench.files());
    assert_eq!(bench.count("runtime.work WHERE rpc LIKE '%/NotifyOperators'").await, 1);
}

#[tokio::test]
async fn a_copy_goes_to_google_drive_and_comes_back_until_it_is_removed() {
    let drive = FakeDrive::start();
    let bench = Bench::start_with_drive(drive.settings()).await;
    let id = bench.create(&ada(), Right::Access).await.expect("created").data_request_id;
    bench.until(&id, State::Done).await;
    assert_eq!(drive.names(), [format!("exports-{id}-1.zip.age")]);
    assert_eq!(bench.files(), Vec::<String>::new());
    let is_known = "data_exports WHERE cardinality(places) = 1 AND places[1] LIKE 'google-drive:%'";
    assert_eq!(bench.count(is_known).await, 1, "the row says where it is");
    assert!(opened(&bench, &ada(), &id).await.by_name("manifest.json").is_ok());
    assert_eq!(bench.told("NotifyOperators", "storage:copies:%").await, 0);
    bench.pass(31).await;
    eventually("the copy is removed", || async { drive.names().is_empty().then_some(()) }).await;
}

#[tokio::test]
async fn a_copy_goes_to_the_folder_while_google_drive_fails_and_operators_get_a_notice() {
    let drive = FakeDrive::start();
    let bench = Bench::start_with_drive(drive.settings()).await;
    drive.set_down(true);
    let id = bench.create(&ada(), Right::Access).await.expect("created").data_request_id;
    bench.until(&id, State::Done).await;
    assert_eq!(bench.files().len(), 1, "{:?}", bench.files());
    assert!(opened(&bench, &ada(), &id).await.by_name("manifest.json").is_ok());
    assert_eq!(bench.told("NotifyOperators", "storage:copies:%").await, 1);
}

/// The most memory that this process has had so far, in bytes.
fn peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("a process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
    line.trim().trim_end_matches(" kB").parse::<usize>().expect("a number") << 10
}

/// Follows a build to its end. Returns the request, and the progress that was seen.
async fn follow(bench: &Bench, id: &str) -> (DataRequest, Vec<(i64, i64)>) {
    let mut seen: Vec<(i64, i64)> = Vec::new();
    loop {
        let last = seen.last().copied().unwrap_or_default();
        let found = eventually("the build goes on", || async {
            let found = bench.get(&ada(), id).await.ok()?;
            let progress = found.export_progress.as_ref().map(|it| (it.row_count, it.size_bytes));
            let is_news = progress.is_some_and(|progress| progress > last);
            (found.state() == State::Done || is_news).then_some((found, progress))
        })
        .await;
        match found {
            (done, _) if done.state() == State::Done => return (done, seen),
            (_, progress) => seen.extend(progress),
        }
    }
}

/// With a bucket if `EXPORT_S3_ENDPOINT` names its server, with Google Drive if `EXPORT_DRIVE_BASE` names it, and with a folder otherwise.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "it measures the memory of its process, so it runs alone: bash .ci/exports"]
async fn a_hundred_thousand_rows_pass_through_flat_memory_and_their_progress_is_seen() {
    let env = Env::from_process();
    let drive = env.get("EXPORT_DRIVE_BASE").map(drive::settings);
    let bench = match (env.get("EXPORT_S3_ENDPOINT"), drive) {
        (Some(endpoint), _) => Bench::start_with_bucket(endpoint).await,
        (None, Some(drive)) => Bench::start_with_drive(drive).await,
        (None, None) => Bench::start().await,
    };
    // The first copy makes the allocations that happen only once, so that they are not measured.
    let first = bench.create(&bob(), Right::Access).await.expect("created").data_request_id;
    bench.until(&first, State::Done).await;
    for _ in 0..10 {
        bench.execute(SEED).await;
    }
    let before = peak();
    let id = bench.create(&ada(), Right::Access).await.expect("created").data_request_id;
    let (done, seen) = follow(&bench, &id).await;
    let growth = peak() - before;
    let export = done.export.expect("a copy");
    println!(
        "{} rows, {} KiB: the memory grew by {} KiB; {} steps of progress were seen",
        export.row_count,
        export.size_bytes >> 10,
        growth >> 10,
        seen.len()
    );
    assert!(export.row_count >= ROWS, "{export:?}");
    assert!(seen.len() >= 10, "the progress was not seen: {seen:?}");
    assert!(growth < MOST_GROWTH, "the memory grew by {growth} bytes");
    let is_in_drive = "data_exports WHERE row_count >= 100000 AND places[1] LIKE 'google-drive:%'";
    assert_eq!(bench.count(is_in_drive).await, i64::from(drive.is_some()), "where the copy went");
    let mut zip = opened(&bench, &ada(), &id).await;
    let mut text = String::new();
    zip.by_name("manifest.json").expect("a manifest").read_to_string(&mut text).expect("text");
    let manifest: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let files = manifest["files"].as_array().expect("files");
    let rows = |path: &str| files.iter().find(|file| file["path"] == path).map(|file| file["rows"].clone());
    for path in ["compliance/declarations.json", "compliance/declarations.csv"] {
        assert_eq!(rows(path), Some(ROWS.into()), "{path}");
    }
}
