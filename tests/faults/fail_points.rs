//! Each fail-point kills its process once, between two effects; started again, the mesh ends as if nothing had happened.

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
    outcome::assert_told_once,
    post_json,
    post_office::Post,
    processes::{Mesh, Plan},
    shop::Shop,
    tell,
};
use crate::{
    fakes::mail::webhooks::Webhook,
    roles::Role::{self, Billing as B, Gateway as G, Notifications as N},
    services,
};

/// What leads to a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Somebody buys.
    Sale,
    /// Somebody buys, and billing is killed while it holds the lease on the checkout.
    SaleAfterLapse,
    /// Staff replays an event that nothing follows from.
    Replay,
    /// A day passes.
    Day,
    /// So many days pass that bodies are past their time.
    Month,
    /// An older version ignored a paid checkout, which this one handles.
    Ignored,
    /// A version that handles more than this one left pending what nothing follows from.
    LeftPending,
    /// Somebody buys while notifications are away.
    Absence,
    /// The mail provider tells of a mail.
    Told,
    /// A mail may be with a provider that does not honour keys.
    Doubt,
}

/// Every point of every role.
fn fail_points() -> Vec<FailPoint> {
    let of_services = services::ALL.iter().flat_map(|service| service.fail_points());
    let mut points: Vec<_> = chassis::ALL.iter().chain(gateway::ALL).chain(of_services).copied().collect();
    // Last, because an event without its body cannot be replayed.
    points.sort_by_key(|point| places(*point).1 == Way::Month);
    points
}

/// Whose process is killed at a point, and what leads there.
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
    let (mut shop, post) = (Shop::open(0), Post::open(true));
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
    let (mut shop, post) = (Shop::open(0), Post::open(false));
    let mut mesh = Mesh::start(Plan::new(1, &shop, &post).await).await;
    shop.deliver_to(mesh.door);
    // One mail never left, and one is out; only the provider knows which.
    for before in [notifications::MESSAGE_ATTEMPTED, notifications::MESSAGE_ANSWERED] {
        doubt_and_resolve(&mut mesh, &mut shop, &post, before).await;
    }
    assert_told_once(&mesh, &shop).await;
}

/// Kills notifications at a point that leaves a doubt, then where the doubt is noted, then where a person ends it.
async fn doubt_and_resolve(mesh: &mut Mesh, shop: &mut Shop, post: &Post, before: FailPoint) {
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
        // What a person does who looks at the provider's own list.
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
        // A kill while it is sent again would leave a doubt anew.
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

async fn kill_once(mesh: &mut Mesh, shop: &mut Shop, post: &Post, point: FailPoint, role: Role, way: Way) {
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
            // One of which nothing is known yet.
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
    // What the killed process held is taken up when its leases end.
    mesh.advance(TimeDelta::minutes(1)).await;
    mesh.rest().await;
    if let Some((webhook, mail)) = told {
        // Either point is after the event is stored: nobody has to tell it again.
        assert_eq!(reports(mesh, &mail).await, ["DELIVERED"]);
        tell_until_taken(mesh.door, &webhook).await;
        mesh.rest().await;
        assert_eq!(journaled(mesh, &webhook).await, 1);
    }
    if way == Way::Month {
        assert_eq!(bodies(mesh).await, 0, "bodies are there that are past their time");
    }
}

/// What an older version does with events that it does not handle.
async fn ignore(mesh: &Mesh) {
    let ignore =
        "UPDATE stripe_events SET state = 'IGNORED', process_time = runtime.now() WHERE state = 'PENDING'";
    let ignored = sqlx::query(ignore).execute(mesh.billing().pool()).await.expect("ignored");
    assert!(ignored.rows_affected() > 0, "there is nothing to take up");
}

/// What a version does that handles all that is ignored now, and is gone before it has done anything.
async fn leave_pending(mesh: &Mesh) {
    let pending = "UPDATE stripe_events SET state = 'PENDING', due_time = runtime.now(), process_time = NULL
                   WHERE state = 'IGNORED'";
    sqlx::query(pending).execute(mesh.billing().pool()).await.expect("left pending");
}

/// How many bodies are past their time.
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

/// Staff replays an event; where billing is killed before it answers, nobody asks again.
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

/// Has the mail provider tell until it is answered.
async fn tell_until_taken(door: SocketAddr, webhook: &Webhook) {
    eventually("the mail provider is answered", || async {
        let answer = tell(door, webhook).await;
        (answer?.status == 200).then_some(())
    })
    .await;
}

/// How often the journal has what the mail provider told.
async fn journaled(mesh: &Mesh, webhook: &Webhook) -> i64 {
    let events =
        sqlx::query_scalar("SELECT count(*) FROM provider_events WHERE event_id = $1").bind(&webhook.id);
    events.fetch_one(mesh.notifications().pool()).await.expect("a count")
}

/// What is known of a mail since it was sent.
async fn reports(mesh: &Mesh, mail: &str) -> Vec<String> {
    let reports = "SELECT outcome FROM delivery_reports JOIN messages USING (message_id) WHERE provider_message_id = $1";
    sqlx::query_scalar(reports).bind(mail).fetch_all(mesh.notifications().pool()).await.expect("rows")
}

/// How many mails have one.
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
