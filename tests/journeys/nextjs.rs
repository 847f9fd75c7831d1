//! Runs the example of docs/API.md for Next.js in Node, against the mesh.

use std::process::Stdio;

use levqor_runtime::testing::JWT_SECRET;
use serde_json::{Value, json};
use tokio::process::Command;

use crate::{harness::Mesh, stripe::paid_checkout};

/// The output of the example's driver. None on a machine without Node.
async fn drive(mesh: &Mesh, events: [&str; 2]) -> Option<Value> {
    let driver = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/journeys/nextjs.mjs");
    let mut node = Command::new("node");
    node.arg(driver).args(events).env("LEVQOR_URL", &mesh.url).env("LEVQOR_JWT_SECRET", JWT_SECRET);
    for name in ["LEVQOR_JWT_ISSUER", "LEVQOR_JWT_AUDIENCE", "NODE_OPTIONS"] {
        node.env_remove(name);
    }
    let output = match node.stdin(Stdio::null()).kill_on_drop(true).output().await {
        Ok(output) => output,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
        Err(error) => panic!("node does not start: {error}"),
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(serde_json::from_slice(&output.stdout).expect("one JSON document"))
}

#[tokio::test]
async fn a_next_js_site_lists_pages_filters_repeats_and_reads_errors() {
    let mesh = Mesh::start().await;
    let events = [paid_checkout("1", "alice"), paid_checkout("2", "bob"), paid_checkout("3", "alice")];
    for event in &events {
        assert_eq!(mesh.deliver(event).await.status, 200);
    }
    mesh.settle().await;
    let ids = [&events[0], &events[1]].map(|event| event["id"].as_str().expect("an id"));
    let Some(said) = drive(&mesh, ids).await else {
        println!("SKIPPED: there is no `node` on this machine; the example of docs/API.md was not run");
        return mesh.finish().await;
    };
    let orders = said["alice"]["body"]["orders"].as_array().expect("orders");
    assert_eq!((&said["alice"]["status"], orders.len()), (&json!(200), 2), "{said}");
    assert!(
        orders
            .iter()
            .all(|order| order["payment_state"] == "PAYMENT_STATE_PAID" && order["price"] == "£99.00"),
        "{said}"
    );
    assert_eq!(said["eve"]["body"]["orders"], json!([]), "an address that nobody vouches for owns nothing");
    assert_eq!(said["nobody"]["status"], 401);
    assert_eq!(said["wrongFilter"]["status"], 400);
    assert_eq!(said["wrongFilter"]["body"]["fields"][0]["field"], "payment_state");
    assert_eq!(said["paged"].as_array().map(Vec::len), Some(3), "{said}");
    assert_eq!(said["paged"], said["whole"]);
    assert_eq!(said["paid"], said["whole"]);
    assert_eq!(
        (&said["without"]["status"], &said["without"]["reason"]),
        (&json!(401), &json!("TOKEN_MISSING"))
    );
    assert_eq!((&said["unknown"]["status"], &said["unknown"]["fields"]), (&json!(400), &json!(["foo"])));
    assert!(said["unknown"]["request"].as_str().is_some_and(|id| !id.is_empty()));
    assert_eq!(said["same"], true);
    assert_eq!(said["reused"]["reason"], "IDEMPOTENCY_KEY_REUSED");
    assert_eq!(said["money"], json!(["£99.00", "JP¥500", "HUF 10,000.50", "MGA 500.00"]));
    assert_eq!(said["parts"], 3);
    mesh.finish().await;
}
