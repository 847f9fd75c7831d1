//! `EndOperatorNotice`: ends the open notice once. The end may arrive before the notice.

use crate::Notified;

#[tokio::test]
async fn a_notice_ends_once() {
    let notified = Notified::start().await;
    let told = notified.report(1, "it fails").await.expect("told").operator_notice_id;
    assert_eq!(notified.end(2).await.operator_notice_id, told);
    assert!(notified.end(3).await.operator_notice_id.is_empty(), "none is open");
    let notices = notified.notices().await;
    assert_eq!(notices.len(), 1, "an end without a notice is not shown");
    assert_eq!(notices[0].end_time.map(|time| time.seconds), Some(2));
}
