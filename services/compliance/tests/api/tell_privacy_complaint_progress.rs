//! Staff tell a person by mail how far the work on their complaint is.

use levqor_proto_compliance::v1::{PrivacyComplaint, TellPrivacyComplaintProgressRequest};
use levqor_proto_mail::v1::send_message_request::Content;
use levqor_runtime::testing::{Caller, reason, refused, violated};
use tonic::Status;

use crate::{
    bench::{Bench, NOBODYS, ada},
    enter_privacy_complaint::enter,
};

async fn tell(bench: &Bench, id: &str, progress: &str) -> Result<PrivacyComplaint, Status> {
    let request = TellPrivacyComplaintProgressRequest {
        privacy_complaint_id: id.to_owned(),
        progress: progress.to_owned(),
    };
    let told = bench.complaints().tell_privacy_complaint_progress(Caller::staff().request(request)).await?;
    Ok(told.into_inner().privacy_complaint.expect("a complaint"))
}

#[tokio::test]
async fn each_news_is_a_mail_of_its_own_and_a_letter_gets_none() {
    let bench = Bench::start().await;
    let id = bench.complain(&ada()).await.expect("created").privacy_complaint_id;
    assert_eq!(violated(&refused(tell(&bench, &id, " ").await)), ["progress"]);
    for news in ["We have asked.", "We have an answer."] {
        assert!(tell(&bench, &id, news).await.expect("told").progress_time.is_some());
    }
    let mails = bench.mails("ada@example.com").await;
    let news = mails.iter().filter_map(|it| match it {
        Content::ComplaintProgress(of) => Some(of.progress.as_str()),
        _ => None,
    });
    assert_eq!(news.collect::<Vec<_>>(), ["We have asked.", "We have an answer."]);
    let letter = enter(&bench, &Caller::staff(), "").await.expect("entered").privacy_complaint_id;
    assert_eq!(reason(&refused(tell(&bench, &letter, "News.").await)), "PRIVACY_COMPLAINT_STATE");
    assert_eq!(reason(&refused(tell(&bench, NOBODYS, "News.").await)), "PRIVACY_COMPLAINT_NOT_FOUND");
    let recorded = "runtime.audit_entries WHERE action = 'privacy_complaint.tell_progress'";
    assert_eq!(bench.count(recorded).await, 2);
}
