//! Staff download the evidence of a data request: it says what happened, and does not contain the person's address or data.

use std::io::{Cursor, Read};

use levqor_proto_compliance::v1::{
    CreateDataRequestRequest, DownloadDataRequestEvidenceRequest, ExtendDataRequestRequest, ObjectionScope,
    Right, data_request::State,
};
use levqor_runtime::testing::{Caller, reason};
use serde_json::Value;
use tonic::Status;

use crate::bench::{Bench, NOBODYS, ada, bytes};

/// The files of the evidence, as one text each.
pub(crate) async fn evidence(
    bench: &Bench,
    caller: &Caller,
    id: &str,
) -> Result<Vec<(String, String)>, Status> {
    let request = DownloadDataRequestEvidenceRequest { data_request_id: id.to_owned() };
    let download = bench.client().download_data_request_evidence(caller.request(request)).await?;
    let packed = bytes(download.into_inner()).await?;
    let mut zip = zip::ZipArchive::new(Cursor::new(packed)).expect("a ZIP");
    let mut files = Vec::new();
    for index in 0..zip.len() {
        let mut file = zip.by_index(index).expect("a file");
        let mut text = String::new();
        file.read_to_string(&mut text).expect("text");
        files.push((file.name().expect("a name").into_owned(), text));
    }
    Ok(files)
}

pub(crate) fn json(files: &[(String, String)], name: &str) -> Value {
    let (_, text) = files.iter().find(|(path, _)| path == name).expect(name);
    serde_json::from_str(text).expect("JSON")
}

#[tokio::test]
async fn the_evidence_has_the_facts_without_personal_data() {
    let bench = Bench::start().await;
    let id = bench.create(&ada(), Right::Erasure).await.expect("created").data_request_id;
    let reasons = "Many services hold something.".to_owned();
    let extend = ExtendDataRequestRequest { data_request_id: id.clone(), reasons: reasons.clone() };
    bench.client().extend_data_request(Caller::staff().request(extend)).await.expect("extended");
    let files = evidence(&bench, &Caller::staff(), &id).await.expect("the evidence");
    let request = json(&files, "request.json");
    assert_eq!(request["right"], "ERASURE");
    assert_eq!(request["state"], "AWAITING_APPROVAL");
    assert_eq!(request["extension"]["reasons"], reasons);
    let history = json(&files, "history.json");
    let entries = history["entries"].as_array().expect("entries");
    let actions: Vec<_> = entries.iter().filter_map(|entry| entry["action"].as_str()).collect();
    assert_eq!(actions, ["data_request.create", "data_request.extend"], "the oldest first");
    let manifest = json(&files, "manifest.json");
    assert_eq!(manifest["files"].as_array().map(Vec::len), Some(3));
    // This mesh consists of compliance alone.
    assert_eq!(manifest["unanswered"], serde_json::json!(["the mails of notifications"]));
    for (path, text) in &files {
        assert!(!text.contains("ada@example.com") && !text.contains("\"ada\""), "{path}: {text}");
    }
    let again = evidence(&bench, &Caller::staff(), &id).await.expect("the evidence");
    let history = json(&again, "history.json");
    assert!(history.to_string().contains("data_request.evidence"), "the download is recorded itself");
}

#[tokio::test]
async fn a_copy_is_described_and_only_staff_get_the_evidence() {
    let bench = Bench::start().await;
    let id = bench.create(&ada(), Right::Access).await.expect("created").data_request_id;
    bench.until(&id, State::Done).await;
    let files = evidence(&bench, &Caller::staff(), &id).await.expect("the evidence");
    assert_eq!(json(&files, "request.json")["copy"]["state"], "READY");
    assert!(evidence(&bench, &ada(), &id).await.is_err(), "only staff");
    let nobodys = evidence(&bench, &Caller::staff(), NOBODYS).await.expect_err("there is none");
    assert_eq!(reason(&nobodys), "DATA_REQUEST_NOT_FOUND");
}

#[tokio::test]
async fn the_evidence_of_an_objection_has_the_declaration_and_its_place_in_the_ledger() {
    let bench = Bench::start().await;
    let request = CreateDataRequestRequest {
        right: Right::Objection.into(),
        objection_scope: ObjectionScope::Marketing.into(),
        ..Default::default()
    };
    let made = bench.client().create_data_request(ada().request(request)).await.expect("created");
    let id = made.into_inner().data_request.expect("a data request").data_request_id;
    let files = evidence(&bench, &Caller::staff(), &id).await.expect("the evidence");
    let request = json(&files, "request.json");
    assert_eq!(request["declared"]["objection_scope"], "MARKETING");
    let history = json(&files, "history.json").to_string();
    assert!(history.contains("data_request.declare") && history.contains("declaration_ids"), "{history}");
}
