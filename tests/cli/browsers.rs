//! A website under development on this machine calls the mesh that runs here, straight from the browser.

use levqor_runtime::client::local_http_client;

use crate::process::{Folder, Signal, up};

#[tokio::test]
async fn levqor_up_lets_pages_of_this_machine_call_and_no_others() {
    let folder = Folder::new();
    let daemon = up(&folder);
    let run_file = std::fs::read(folder.data().join("run.json")).expect("run.json");
    let run_file: serde_json::Value = serde_json::from_slice(&run_file).expect("JSON");
    let url = format!("{}/v1/orders", run_file["url"].as_str().expect("a URL"));
    let http = local_http_client().expect("a client");
    for (origin, allowed) in [
        ("http://localhost:3000", true),
        ("http://127.0.0.1:5173", true),
        ("http://[::1]:8080", true),
        ("https://levqor.ai", false),
        ("http://localhost.evil.example:3000", false),
        ("null", false),
    ] {
        let preflight = http.request(reqwest::Method::OPTIONS, &url).header("origin", origin);
        let preflight = preflight.header("access-control-request-method", "GET");
        let refusal = http.get(&url).header("origin", origin);
        for request in [preflight, refusal] {
            let answer = request.send().await.expect("an answer");
            let told =
                answer.headers().get("access-control-allow-origin").and_then(|value| value.to_str().ok());
            assert_eq!(told, allowed.then_some(origin), "{origin}: {}", answer.status());
        }
    }
    assert!(daemon.stop(Signal::SIGINT).success());
}
