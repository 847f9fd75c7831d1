//! `AnswerComplaint`: the result is mailed once; operators get one notice of an overdue result.

use chrono::TimeDelta;
use levqor_proto_mail::v1::send_message_request::Content;
use levqor_proto_support::v1::AnswerComplaintRequest;
use levqor_runtime::testing::{Caller, eventually, reason, refused};

use super::create_complaint::complaint;
use crate::bench::{Bench, NOBODYS, ada};

#[tokio::test]
async fn an_overdue_result_makes_one_notice_and_a_result_is_mailed_once() {
    let bench = Bench::start().await;
    bench.complaints().create_complaint(ada().request(complaint(""))).await.expect("created");
    let id: String = sqlx::query_scalar("SELECT complaint_id::text FROM complaints")
        .fetch_one(bench.service.db.pool())
        .await
        .expect("a complaint");
    bench.execute("UPDATE tickets SET first_reply_time = runtime.now()").await;
    bench.advance(TimeDelta::days(30)).await;
    eventually("it is told", || async {
        bench.sweep().await;
        (bench.deadlines().await > 0).then_some(())
    })
    .await;
    bench.sweep().await;
    assert_eq!(bench.deadlines().await, 1);
    let answer = |id: &str| {
        let text = "We pay the delivery back.".to_owned();
        Caller::staff().request(AnswerComplaintRequest { complaint_id: id.to_owned(), text })
    };
    let answered = bench.complaints().answer_complaint(answer(&id)).await.expect("answered").into_inner();
    assert!(answered.complaint.expect("a complaint").answer_time.is_some());
    let mails = bench.mails().await;
    assert!(mails.iter().any(|mail| matches!(&mail.content, Some(Content::TicketReplied(_)))));
    assert_eq!(
        reason(&refused(bench.complaints().answer_complaint(answer(&id)).await)),
        "COMPLAINT_ANSWERED"
    );
    assert_eq!(
        reason(&refused(bench.complaints().answer_complaint(answer(NOBODYS)).await)),
        "COMPLAINT_NOT_FOUND"
    );
}

#[tokio::test]
async fn a_complaint_is_answered_also_where_its_ticket_is_closed_or_merged() {
    for merged in [false, true] {
        let bench = Bench::start().await;
        bench.complaints().create_complaint(ada().request(complaint(""))).await.expect("created");
        let ids = "SELECT complaint_id::text, ticket_id::text FROM complaints";
        let (complaint_id, ticket_id): (String, String) =
            sqlx::query_as(ids).fetch_one(bench.service.db.pool()).await.expect("a complaint");
        let mut shown_at = ticket_id.clone();
        if merged {
            shown_at = bench.ticket(&ada(), "The other one").await.ticket_id;
            bench.merge(&ticket_id, &shown_at).await.expect("merged");
        } else {
            bench.solve(&Caller::staff(), &ticket_id).await.expect("solved");
            bench.execute("UPDATE tickets SET state = 'CLOSED'").await;
        }
        let text = "We pay the delivery back.".to_owned();
        let request = Caller::staff().request(AnswerComplaintRequest { complaint_id, text });
        bench.complaints().answer_complaint(request).await.expect("answered");
        let mails = bench.mails().await;
        let told = mails.iter().filter(|mail| matches!(&mail.content, Some(Content::TicketReplied(_))));
        assert_eq!(told.count(), 1, "the result is mailed; merged: {merged}");
        let shown = bench.shown(&ada(), &shown_at).await.expect("hers");
        let last = shown.messages.last().expect("a message");
        assert_eq!(last.text, "We pay the delivery back.", "merged: {merged}");
    }
}
