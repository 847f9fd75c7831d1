//! Each fail point kills its process once, between two effects. After a restart, the result must be the same as without the kill.

use std::{net::SocketAddr, time::Instant};

use chrono::TimeDelta;
use levqor_billing::fail_point as billing;
use levqor_gateway::fail_point as gateway;
use levqor_notifications::fail_point as notifications;
use levqor_runtime::{
    fail_point::{self as chassis, FailPoint},
    testing::{Caller, eventually},
};
use serde_json::{Value, json};

use super::{
    mail_provider::MailProvider,
    outcome::assert_told_once,
    post_json,
    processes::{Mesh, Plan},
    shop::Shop,
    tell,
};
use crate::{
    fakes::mail::webhooks::Webhook,
    roles::Role::{self, Billing as B, Gateway as G, Notifications as N},
    services,
};

/// How a test makes a process reach a fail point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// A sale.
    Sale,
    /// A sale, and billing is killed while it holds the lease on the checkout.
    SaleAfterLapse,
    /// Staff replay an event that has no effect.
    Replay,
    /// A day passes.
    Day,
    /// So many days pass that bodies must be deleted.
    Month,
    /// An older version ignored a paid checkout, which this one handles.
    Ignored,
    /// A version that handles more types left events pending that have no effect in this version.
    LeftPending,
    /// A sale while notifications does not run.
    Absence,
    /// The mail provider reports on a mail.
    Told,
    /// A provider that does not honour keys may have a mail.
    Doubt,
}

/// Every point of every role.
fn fail_points() -> Vec<FailPoint> {
    let of_services = services::ALL.iter().flat_map(|service| service.fail_points());
    let mut points: Vec<_> = chassis::ALL.iter().chain(gateway::ALL).chain(of_services).copied().collect();
    // Those on the way of a refund, and those on the way of an erasure, have a test of their own.
    points.retain(|point| {
        !super::refunds::POINTS.contains(point)
            && !super::erasures::POINTS.iter().any(|(_, of_erasure)| of_erasure == point)
    });
    // Last, because an event without its body cannot be replayed.
    points.sort_by_key(|point| places(*point).1 == Way::Month);
    points
}

/// The role whose process is killed at a fail point, and how the process reaches it.
fn places(point: FailPoint) -> (&'static [Role], Way) {
    match point {
        gateway::WEBHOOK_RECEIVED | gateway::WEBHOOK_STORED => (&[G], Way::Sale),
        billing::JOURNAL_GATHERED
        | billing::JOURNAL_STORED
        | billing::JOURNAL_CLAIMED
        | billing::JOURNAL_FETCHED
        | billing::ORDER_WRITTEN
        | billing::ORDER_HALF_DEFERRED
        | chassis::AUDIT_APPENDED
        | billing::JOURNAL_JUDGED
        | billing::JOURNAL_APPLIED => (&[B], Way::Sale),
        chassis::DEFERRED_WRITTEN
        | chassis::DEFERRED_CLAIMED
        | chassis::DEFERRED_CALLED
        | chassis::DEFERRED_SETTLED => (&[B, N], Way::Sale),
        chassis::IDEMPOTENCY_CLAIMED
        | notifications::MESSAGE_WRITTEN
        | chassis::IDEMPOTENCY_REMEMBERED
        | notifications::MESSAGE_STORED
        | notifications::MESSAGE_ATTEMPTED
        | notifications::MESSAGE_ANSWERED
        | notifications::MESSAGE_ATTEMPT_ENDED
        | notifications::MESSAGE_SETTLED => (&[N], Way::Sale),
        notifications::MESSAGE_DOUBTED | notifications::MESSAGE_RESOLVED => (&[N], Way::Doubt),
        billing::JOURNAL_CHARGED | billing::JOURNAL_SERVED_ALONE => (&[B], Way::SaleAfterLapse),
        billing::REPLAY_COMMITTED => (&[B], Way::Replay),
        chassis::SCHEDULE_TAKEN | chassis::SCHEDULE_DEFERRED => (&[B], Way::Day),
        chassis::BODIES_PURGED => (&[B], Way::Month),
        billing::JOURNAL_TAKEN_UP => (&[B], Way::Ignored),
        billing::JOURNAL_IGNORED => (&[B], Way::LeftPending),
        chassis::DEFERRED_PUT_OFF => (&[B], Way::Absence),
        notifications::PROVIDER_EVENT_STORED | notifications::PROVIDER_EVENT_APPLIED => (&[N], Way::Told),
        other => panic!("{}: say whose process is killed there", other.name()),
    }
}

#[tokio::test]
async fn a_kill_between_any_two_effects_loses_nothing_and_doubles_nothing() {
    let (mut shop, post) = (Shop::open(0), MailProvider::open(true));
    let mut mesh = Mesh::start(Plan::new(1, &shop, &post).await).await;
    shop.deliver_to(mesh.door);
    for point in fail_points() {
        let (roles, way) = places(point);
        for role in roles.iter().filter(|_| way != Way::Doubt) {
            let begun = Instant::now();
            kill_once(&mut mesh, &mut shop, &post, point, *role, way).await;
            assert_told_once(&mesh, &shop).await;
            post.assert_told(&mesh).await;
            println!("killed at {} in {}: {:?}", point.name(), role.name(), begun.elapsed());
        }
    }
}

#[tokio::test]
async fn a_kill_in_the_middle_of_a_doubt_hides_nothing() {
    let (mut shop, post) = (Shop::open(0), MailProvider::open(false));
    let mut mesh = Mesh::start(Plan::new(1, &shop, &post).await).await;
    shop.deliver_to(mesh.door);
    // One mail was not sent and one was; only the provider knows which.
    for before in [notifications::MESSAGE_ATTEMPTED, notifications::MESSAGE_ANSWERED] {
        doubt_and_resolve(&mut mesh, &mut shop, &post, before).await;
    }
    assert_told_once(&mesh, &shop).await;
}

/// Kills notifications at a point that leaves a message in doubt, then where the doubt is stored, then where a person ends the
/// doubt.
async fn doubt_and_resolve(mesh: &mut Mesh, shop: &mut Shop, post: &MailProvider, before: FailPoint) {
    let n = mesh.first(N);
    restart(mesh, n, Some(before));
    shop.sell();
    mesh.killed_itself(n, before).await;
    mesh.advance(TimeDelta::minutes(1)).await;
    mesh.spawn(n, Some(notifications::MESSAGE_DOUBTED));
    mesh.killed_itself(n, notifications::MESSAGE_DOUBTED).await;
    mesh.spawn(n, None);
    mesh.advance(TimeDelta::minutes(1)).await;
    mesh.rest().await;
    // The order's two mails are on their way at once.
    let doubts = post.assert_told(mesh).await;
    assert!((1..=2).contains(&doubts), "{doubts} mails in doubt");

    let mut found = Vec::new();
    for (message, recipient, subject) in in_doubt(mesh).await {
        restart(mesh, n, Some(notifications::MESSAGE_RESOLVED));
        let path = format!("/v1/messages/{message}:resolve");
        // Acts like a person who looks at the provider's own list of mails.
        let id = post.id_of(&recipient, &subject);
        found.push(id.is_some());
        let resolution = match id {
            Some(id) => json!({"sent": {"provider_message_id": id}}),
            None => json!({"send_again": {}}),
        };
        tokio::select! {
            () = ask_until_taken(mesh.door, &path, &message, &resolution) => panic!("it was to be killed before"),
            () = mesh.killed_itself(n, notifications::MESSAGE_RESOLVED) => {}
        }
        mesh.spawn(n, None);
        ask_until_taken(mesh.door, &path, &message, &resolution).await;
        // A kill while the message is sent again would leave it in doubt again.
        mesh.rest().await;
    }
    assert!(
        found.contains(&(before == notifications::MESSAGE_ANSWERED)),
        "{before:?} left no doubt of its kind"
    );
    assert_eq!(post.assert_told(mesh).await, 0);
}

/// Messages in doubt: id, recipient and subject.
async fn in_doubt(mesh: &Mesh) -> Vec<(String, String, String)> {
    sqlx::query_as("SELECT message_id::text, recipient, subject FROM messages WHERE state = 'IN_DOUBT'")
        .fetch_all(mesh.notifications().pool())
        .await
        .expect("rows")
}

async fn kill_once(
    mesh: &mut Mesh,
    shop: &mut Shop,
    post: &MailProvider,
    point: FailPoint,
    role: Role,
    way: Way,
) {
    let (n, mut told) = (mesh.first(role), None);
    if matches!(way, Way::SaleAfterLapse | Way::Ignored) {
        restart(mesh, n, Some(billing::JOURNAL_CLAIMED));
        shop.sell();
        shop.close();
        mesh.killed_itself(n, billing::JOURNAL_CLAIMED).await;
        mesh.advance(TimeDelta::minutes(1)).await;
        if way == Way::Ignored {
            ignore(mesh).await;
        }
        mesh.spawn(n, Some(point));
    } else {
        restart(mesh, n, Some(point));
    }
    match way {
        Way::Sale => {
            shop.sell();
            shop.close();
        }
        Way::SaleAfterLapse | Way::Ignored | Way::Doubt => {}
        Way::LeftPending => leave_pending(mesh).await,
        Way::Absence => {
            mesh.kill(mesh.first(N));
            shop.sell();
            shop.close();
        }
        Way::Told => {
            // A mail that the provider has not reported on yet.
            let (webhook, mail) = post.delivered(all_reports(mesh).await);
            tokio::select! {
                () = tell_until_taken(mesh.door, &webhook) => {}
                () = mesh.killed_itself(n, point) => {}
            }
            told = Some((webhook, mail));
        }
        Way::Replay => replay_until_killed(mesh, shop, point).await,
        Way::Day => mesh.advance(TimeDelta::days(1)).await,
        Way::Month => mesh.advance(TimeDelta::days(31)).await,
    }
    mesh.killed_itself(n, point).await;
    mesh.spawn(n, None);
    if way == Way::Absence {
        mesh.spawn(mesh.first(N), None);
    }
    shop.all_taken().await;
    // The work of the killed process is claimed again when its leases expire.
    mesh.advance(TimeDelta::minutes(1)).await;
    mesh.rest().await;
    if let Some((webhook, mail)) = told {
        // Both points come after the event is stored, so the provider need not send it again.
        assert_eq!(reports(mesh, &mail).await, ["DELIVERED"]);
        tell_until_taken(mesh.door, &webhook).await;
        mesh.rest().await;
        assert_eq!(journaled(mesh, &webhook).await, 1);
    }
    if way == Way::Month {
        assert_eq!(bodies(mesh).await, 0, "there are bodies that should be deleted");
    }
}

/// Marks events as ignored, as an older version does with types that it does not handle.
async fn ignore(mesh: &Mesh) {
    let ignore =
        "UPDATE stripe_events SET state = 'IGNORED', process_time = runtime.now() WHERE state = 'PENDING'";
    let ignored = sqlx::query(ignore).execute(mesh.billing().pool()).await.expect("ignored");
    assert!(ignored.rows_affected() > 0, "there is nothing to take up");
}

/// Makes all ignored events pending. A version that handles more types does this, and may be stopped before it processes them.
async fn leave_pending(mesh: &Mesh) {
    let pending = "UPDATE stripe_events SET state = 'PENDING', due_time = runtime.now(), process_time = NULL
                   WHERE state = 'IGNORED'";
    sqlx::query(pending).execute(mesh.billing().pool()).await.expect("left pending");
}

/// How many bodies should be deleted.
async fn bodies(mesh: &Mesh) -> i64 {
    let past = "SELECT count(*) FROM stripe_events
                WHERE state IN ('PROCESSED', 'IGNORED') AND body IS NOT NULL
                  AND process_time < runtime.now() - interval '30 days'";
    sqlx::query_scalar(past).fetch_one(mesh.billing().pool()).await.expect("a count")
}

fn restart(mesh: &mut Mesh, n: usize, kill_at: Option<FailPoint>) {
    mesh.kill(n);
    mesh.spawn(n, kill_at);
}

/// Staff replay an event. If billing is killed before it answers, the request is not repeated.
async fn replay_until_killed(mesh: &mut Mesh, shop: &Shop, point: FailPoint) {
    let ignored = "SELECT event_id FROM stripe_events WHERE state = 'IGNORED' LIMIT 1";
    let event: String = sqlx::query_scalar(ignored).fetch_one(mesh.billing().pool()).await.expect("an event");
    let (path, key) = (format!("/v1/stripe-events/{event}:replay"), format!("replay:{}", shop.sold().len()));
    let (n, nothing) = (mesh.first(B), json!({}));
    tokio::select! {
        () = ask_until_taken(mesh.door, &path, &key, &nothing) => {}
        () = mesh.killed_itself(n, point) => {}
    }
}

/// Posts a webhook of the mail provider until it is accepted.
async fn tell_until_taken(door: SocketAddr, webhook: &Webhook) {
    eventually("the mail provider is answered", || async {
        let answer = tell(door, webhook).await;
        (answer?.status == 200).then_some(())
    })
    .await;
}

/// How many rows the journal has for a webhook of the mail provider.
async fn journaled(mesh: &Mesh, webhook: &Webhook) -> i64 {
    let events =
        sqlx::query_scalar("SELECT count(*) FROM provider_events WHERE event_id = $1").bind(&webhook.id);
    events.fetch_one(mesh.notifications().pool()).await.expect("a count")
}

/// The provider's reports on a mail.
async fn reports(mesh: &Mesh, mail: &str) -> Vec<String> {
    let reports = "SELECT outcome FROM delivery_reports JOIN messages USING (message_id) WHERE provider_message_id = $1";
    sqlx::query_scalar(reports).bind(mail).fetch_all(mesh.notifications().pool()).await.expect("rows")
}

/// How many reports there are.
async fn all_reports(mesh: &Mesh) -> usize {
    let reports = sqlx::query_scalar("SELECT count(*) FROM delivery_reports");
    let reports: i64 = reports.fetch_one(mesh.notifications().pool()).await.expect("a count");
    usize::try_from(reports).expect("not so many")
}

/// Posts as an administrator until it is answered.
async fn ask_until_taken(door: SocketAddr, path: &str, key: &str, body: &Value) {
    eventually("the request is answered", || async {
        let answer = post_json(door, &Caller::admin(), path, key, body).await;
        let status = answer.map(|answer| answer.status);
        assert!(matches!(status, None | Some(200 | 409 | 503)), "{path}: {status:?}");
        (status == Some(200)).then_some(())
    })
    .await;
}
