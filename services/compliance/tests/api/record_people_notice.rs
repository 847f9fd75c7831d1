//! Staff record that the affected people were notified.

use levqor_proto_compliance::v1::{Breach, RecordPeopleNoticeRequest};
use levqor_runtime::testing::{Caller, reason, refused, violated};
use tonic::Status;

use crate::bench::{Bench, NOBODYS};

pub(crate) async fn tell(bench: &Bench, id: &str, people_count: i64) -> Result<Breach, Status> {
    let request = RecordPeopleNoticeRequest {
        breach_id: id.to_owned(),
        notice_time: None,
        people_count,
        means: "by mail, with what they can do".to_owned(),
    };
    let told = bench.breaches().record_people_notice(Caller::staff().request(request)).await?;
    Ok(told.into_inner().breach.expect("a breach"))
}

#[tokio::test]
async fn a_later_notice_takes_the_place_of_an_earlier_one() {
    let bench = Bench::start().await;
    let id = bench.breach().await.breach_id;
    assert_eq!(violated(&refused(tell(&bench, &id, 0).await)), ["people_count"]);
    tell(&bench, &id, 30).await.expect("told");
    let told = tell(&bench, &id, 40).await.expect("told").people_notice.expect("a notice");
    assert_eq!((told.people_count, told.means.as_str()), (40, "by mail, with what they can do"));
    assert!(told.notice_time.is_some());
    assert_eq!(reason(&refused(tell(&bench, NOBODYS, 1).await)), "BREACH_NOT_FOUND");
    assert_eq!(bench.count("runtime.audit_entries WHERE action = 'breach.tell_people'").await, 2);
}
