//! New terms are published. People who accepted earlier terms get a mail, and have to accept the new ones.

use levqor_runtime::testing::eventually;
use serde_json::json;

use crate::{
    fakes::mail::{API_KEY, FakeMail},
    harness::Mesh,
};

#[tokio::test]
async fn new_terms_who_must_accept_accepted() {
    let provider = FakeMail::start();
    let url = provider.url();
    let mesh = Mesh::start_with(&[("RESEND_API_KEY", API_KEY), ("RESEND_API_BASE", &url)]).await;
    let terms = "/v1/legal-documents?kind=LEGAL_DOCUMENT_KIND_TERMS";
    let first = mesh.anon().get(terms).await;
    assert_eq!(first.list("legal_documents").len(), 1, "{}", first.text);
    let accept = |version: &str| json!({"kind": "LEGAL_DOCUMENT_KIND_TERMS", "version": version});
    assert_eq!(mesh.customer("ada").post("/v1/acceptances", accept("1")).await.status, 200);
    let pending = mesh.customer("ada").get("/v1/acceptances:pending").await;
    assert_eq!(pending.list("legal_documents").len(), 0, "{}", pending.text);

    let new = json!({"kind": "LEGAL_DOCUMENT_KIND_TERMS", "version": "2027-01", "changes": ["Refunds take a day."],
                     "text": "# Terms\n\nBe kind.", "acceptance_required": true});
    assert_eq!(mesh.customer("ada").post("/v1/legal-documents", new.clone()).await.status, 403);
    let published = mesh.staff().post("/v1/legal-documents", new).await;
    assert_eq!(published.status, 200, "{}", published.text);
    let mail = eventually("she is told", || async { provider.accepted().first().cloned() }).await;
    assert!(
        mail.subject.contains("Terms of Service") && mail.text.contains("Refunds take a day."),
        "{}",
        mail.text
    );
    let counted = mesh.staff().get("/v1/acceptances:count").await;
    assert_eq!(counted.json["counts"][0]["pending"], 1, "{}", counted.text);
    let pending = mesh.customer("ada").get("/v1/acceptances:pending").await;
    assert_eq!(pending.str("/legal_documents/0/version"), "2027-01", "{}", pending.text);
    let path = format!("/v1/legal-documents/{}", pending.str("/legal_documents/0/legal_document_id"));
    assert_eq!(mesh.anon().get(&path).await.str("/legal_document/text"), "# Terms\n\nBe kind.");

    assert_eq!(mesh.customer("ada").post("/v1/acceptances", accept("2027-01")).await.status, 200);
    let pending = mesh.customer("ada").get("/v1/acceptances:pending").await;
    assert_eq!(pending.list("legal_documents").len(), 0, "{}", pending.text);
    let history = mesh.customer("ada").get("/v1/acceptances").await;
    assert_eq!(history.list("acceptances").len(), 2, "{}", history.text);
    let counted = mesh.staff().get("/v1/acceptances:count").await;
    assert_eq!(
        (&counted.json["counts"][0]["accepted"], &counted.json["counts"][0]["pending"]),
        (&json!(1), &json!(0))
    );
    assert_eq!(provider.accepted().len(), 1, "she is told once");
    mesh.finish().await;
}
