//! A text is screened: harmless ones pass, and what blocks is named.

use levqor_proto_law::v1::{RiskSeverity, ScreenTextRequest, ScreenTextResponse};
use levqor_runtime::testing::Caller;

use crate::bench::Bench;

async fn screen(bench: &Bench, text: &str) -> ScreenTextResponse {
    let request = ScreenTextRequest { text: text.to_owned(), purpose: "chat".to_owned() };
    let caller = Caller::service("support", "compliance");
    bench.law().screen_text(caller.request(request)).await.expect("an answer").into_inner()
}

#[tokio::test]
async fn harmless_texts_pass_and_high_risk_data_is_named() {
    let bench = Bench::start().await;
    let harmless = screen(&bench, "There is an issue with my tissue order.").await;
    assert!(!harmless.blocked && harmless.findings.is_empty());
    let warned = screen(&bench, "The court asked for a patient answer.").await;
    assert!(!warned.blocked && warned.findings.len() == 2, "{warned:?}");
    let blocked = screen(&bench, "Sort our PATIENT RECORDS, please.").await;
    assert!(blocked.blocked);
    let gravest = blocked.findings.iter().find(|it| it.blocks).expect("a finding");
    assert_eq!((gravest.category.as_str(), gravest.severity()), ("MEDICAL", RiskSeverity::High));
}
