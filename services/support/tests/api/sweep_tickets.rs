//! `SweepTickets`: operators get one notice of an overdue first reply; a ticket that stays solved is closed.

use chrono::TimeDelta;
use levqor_proto_mail::v1::OperatorNoticeKind;
use levqor_proto_support::v1::{SweepTicketsRequest, SweepTicketsResponse};
use levqor_runtime::testing::{Caller, eventually};

use crate::bench::{Bench, ada};

impl Bench {
    pub(crate) async fn sweep(&self) -> SweepTicketsResponse {
        let request = Caller::service("support", "support").request(SweepTicketsRequest {});
        self.tickets().sweep_tickets(request).await.expect("swept").into_inner()
    }

    /// How many notices say that something is overdue.
    pub(crate) async fn deadlines(&self) -> usize {
        let notices = self.notices().await;
        notices.iter().filter(|notice| notice.kind() == OperatorNoticeKind::Deadline).count()
    }
}

#[tokio::test]
async fn an_overdue_first_reply_makes_one_notice() {
    let bench = Bench::start().await;
    let id = bench.ticket(&ada(), "Help").await.ticket_id;
    bench.sweep().await;
    assert_eq!(bench.deadlines().await, 0);
    bench.execute("UPDATE tickets SET first_reply_due_time = runtime.now()").await;
    // The schedule may sweep too. A sweep leaves out the tickets that another one has locked.
    eventually("it is told", || async {
        bench.sweep().await;
        (bench.deadlines().await > 0).then_some(())
    })
    .await;
    assert_eq!(bench.sweep().await, SweepTicketsResponse::default());
    assert_eq!(
        (bench.deadlines().await, bench.count("tickets WHERE overdue_time IS NOT NULL").await),
        (1, 1)
    );
    bench.reply(&Caller::staff(), &id, "Sorry, we are late.").await.expect("replied");
}

#[tokio::test]
async fn a_ticket_that_was_solved_a_week_ago_is_closed() {
    let bench = Bench::start().await;
    let id = bench.ticket(&ada(), "Help").await.ticket_id;
    bench.solve(&Caller::staff(), &id).await.expect("solved");
    bench.sweep().await;
    assert_eq!(bench.count("tickets WHERE state = 'SOLVED'").await, 1);
    bench.advance(TimeDelta::days(7)).await;
    eventually("it is closed", || async {
        bench.sweep().await;
        (bench.count("tickets WHERE state = 'CLOSED'").await == 1).then_some(())
    })
    .await;
}
