//! An erasure has the same result after a kill between any two of its steps, and after a service did not answer for hours.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    time::{Duration, Instant},
};

use chrono::TimeDelta;
use levqor_compliance::fail_point as compliance;
use levqor_runtime::{
    fail_point::{self as chassis, FailPoint},
    id,
    testing::{Caller, count, eventually},
};
use serde_json::{Value, json};

use super::{
    fault_seed, get,
    mail_provider::MailProvider,
    post_json,
    processes::{Mesh, Plan},
    shop::Shop,
};
use crate::{
    canaries::{EXCEPTIONS, Person, files_with, found_in, rows_of, seed},
    harness::{Answer, STORAGE_KEY},
    roles::Role,
    settings::number,
};

/// The fail points that an erasure reaches, each with a role whose process is killed there.
pub(super) const POINTS: &[(Role, FailPoint)] = &[
    (Role::Compliance, compliance::ERASURE_BEGUN),
    (Role::Billing, chassis::SUBJECT_BATCH_ERASED),
    (Role::Billing, chassis::SUBJECT_ERASED),
    (Role::Support, chassis::SUBJECT_COMPLETED),
    (Role::Compliance, compliance::ERASURE_PART_DONE),
    (Role::Compliance, compliance::ERASURE_TELLING),
    (Role::Compliance, compliance::ERASURE_TOLD),
    (Role::Notifications, chassis::SUBJECT_BATCH_ERASED),
    (Role::Notifications, chassis::SUBJECT_ERASED),
    (Role::Compliance, compliance::ERASURE_WRITTEN),
    (Role::Compliance, compliance::ERASURE_RECORDED),
    (Role::Compliance, chassis::SUBJECT_BATCH_ERASED),
    (Role::Compliance, chassis::SUBJECT_COMPLETED),
    (Role::Compliance, compliance::ERASURE_OWN_PART_DONE),
    (Role::Compliance, compliance::ERASURE_FINISHED),
];

/// How often the mesh's time is moved while a test waits for the end of an erasure, and something is due.
const MOVE_TIME: Duration = Duration::from_secs(3);
/// How long an erasure may take.
const LONGEST: Duration = Duration::from_mins(3);
/// The subject of the last mail.
const DONE: &str = "Your data is erased";

/// Erased rows by `service.table`.
type Receipt = BTreeMap<String, i64>;

/// A mesh with a folder for files.
struct Stage {
    mesh: Mesh,
    post: MailProvider,
    _shop: Shop,
    folder: PathBuf,
}

impl Drop for Stage {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.folder));
    }
}

impl Stage {
    async fn start() -> Self {
        let (shop, post) = (Shop::open(0), MailProvider::open(true));
        let folder = std::env::temp_dir().join(format!("levqor-erasures-{}", id::request_id()));
        let mut plan = Plan::new(1, &shop, &post).await;
        plan.settings.push(("LEVQOR_STORAGE_DIR", folder.to_string_lossy().into_owned()));
        plan.settings.push(("LEVQOR_STORAGE_KEY", STORAGE_KEY.to_owned()));
        let mesh = Mesh::start(plan).await;
        Self { mesh, post, _shop: shop, folder }
    }

    /// Writes the values of a person into all columns. The person requests an erasure and approves it. Returns the id of the request.
    async fn approved(&self, person: &Person) -> String {
        seed(self.mesh.databases(), &self.folder, person).await;
        let right = json!({"right": "RIGHT_ERASURE"});
        let created = self.ask(person, "/v1/data-requests", &right).await;
        let id = created.str("/data_request/data_request_id").to_owned();
        let preview = format!("/v1/data-requests/{id}/erasure-preview");
        let path = format!("/v1/data-requests/{id}:approve");
        eventually("the erasure is approved", || async {
            // The mail that the request is received changes the preview.
            let preview = get(self.mesh.door, &person.caller(), &preview).await?;
            let approval = json!({"preview_hash": preview.str("/preview_hash")});
            let key = id::request_id();
            let approved = post_json(self.mesh.door, &person.caller(), &path, &key, &approval).await?;
            (approved.status == 200 || approved.str("/reason") == "DATA_REQUEST_STATE").then_some(())
        })
        .await;
        eventually("the mails so far are sent", || async {
            let mails = self.post.accepted().into_iter().filter(|mail| mail.to == person.email);
            (mails.count() == 2).then_some(())
        })
        .await;
        id
    }

    /// Posts for this person until it is answered.
    async fn ask(&self, person: &Person, path: &str, body: &Value) -> Answer {
        let key = id::request_id();
        eventually("the request is answered", || async {
            let answer = post_json(self.mesh.door, &person.caller(), path, &key, body).await;
            answer.filter(|answer| answer.status == 200)
        })
        .await
    }

    /// The state of a data request, as staff see it.
    async fn request(&self, id: &str) -> Option<Answer> {
        let answer = get(self.mesh.door, &Caller::staff(), &format!("/v1/data-requests/{id}")).await;
        answer.filter(|answer| answer.status == 200)
    }

    /// Waits until an erasure is done, and moves the mesh's time meanwhile. Returns its receipt, without queues and logs of calls.
    async fn done(&self, id: &str) -> Receipt {
        let begun = Instant::now();
        loop {
            let moved = Instant::now();
            let done = eventually("the erasure is done, or it is time to move time", || async {
                let done = self.request(id).await.filter(|it| it.str("/data_request/state") == "STATE_DONE");
                (done.is_some() || self.mesh.must_move(moved, MOVE_TIME).await).then_some(done)
            })
            .await;
            if let Some(done) = done {
                return receipt(&done);
            }
            assert!(begun.elapsed() < LONGEST, "the erasure is not done");
            self.mesh.advance(TimeDelta::minutes(5)).await;
        }
    }

    /// Checks that nothing is left of a person but the exceptions, that they got one mail, and that each chain has their erasure
    /// once.
    async fn assert_erased(&self, person: &Person, id: &str) {
        let exceptions: BTreeSet<_> = EXCEPTIONS.iter().map(|(column, _)| (*column).to_owned()).collect();
        assert_eq!(found_in(self.mesh.databases(), person).await, exceptions);
        self.mesh.advance(TimeDelta::minutes(2)).await;
        eventually("the files are removed", || async {
            files_with(&self.folder, person).is_empty().then_some(())
        })
        .await;
        let mails = self.post.accepted().into_iter();
        let told = mails.filter(|mail| mail.to == person.email && mail.subject == DONE).count();
        assert_eq!(told, 1, "mails that it is done");
        let entry =
            format!("runtime.audit_entries WHERE action = 'subject.erase' AND ids ->> 'erasure_id' = '{id}'");
        for db in self.mesh.databases() {
            assert_eq!(count(db, &entry).await, 1, "entries of the chain");
        }
    }
}

/// The receipt of an erasure, without queues and logs of calls: how many those are depends on the time that passes.
fn receipt(done: &Answer) -> Receipt {
    let lines = done.json["data_request"]["erased"].as_array().cloned().unwrap_or_default();
    let text = |line: &Value, name: &str| line[name].as_str().unwrap_or_default().to_owned();
    let lines = lines.iter().map(|line| {
        let place = format!("{}.{}", text(line, "service"), text(line, "table"));
        (place, line["rows"].as_i64().unwrap_or_default())
    });
    lines.filter(|(place, _)| !place.contains(".runtime.")).collect()
}

/// Some of the points, evenly spread from one that the seed decides.
fn chosen() -> impl Iterator<Item = &'static (Role, FailPoint)> {
    let kills = number("LEVQOR_FAULT_ERASURE_KILLS", 3).clamp(1, POINTS.len());
    println!("LEVQOR_FAULT_ERASURE_KILLS={} kills at every point", POINTS.len());
    let first = usize::try_from(fault_seed() % 1000).unwrap_or_default();
    POINTS.iter().cycle().skip(first % POINTS.len()).step_by(POINTS.len() / kills).take(kills)
}

#[tokio::test]
async fn a_kill_between_any_two_steps_of_an_erasure_changes_nothing_of_its_end() {
    let mut stage = Stage::start().await;
    let person = Person::numbered(1);
    let id = stage.approved(&person).await;
    stage.mesh.advance(TimeDelta::days(8)).await;
    let expected = stage.done(&id).await;
    assert!(expected.len() > 20 && expected["compliance.data_requests"] == 3, "{expected:?}");
    stage.assert_erased(&person, &id).await;

    for ((role, point), n) in chosen().zip(2..) {
        let begun = Instant::now();
        // A person who is not erased. Their rows are new: old rows change by themselves.
        let other = Person::numbered(n + 50);
        seed(stage.mesh.databases(), &stage.folder, &other).await;
        let others = rows_of(stage.mesh.databases(), &other).await;
        let person = Person::numbered(n);
        let id = stage.approved(&person).await;
        let process = stage.mesh.first(*role);
        stage.mesh.kill(process);
        stage.mesh.spawn(process, Some(*point));
        stage.mesh.listening(process).await;
        stage.mesh.advance(TimeDelta::days(8)).await;
        stage.mesh.killed_itself_in_time(process, *point).await;
        stage.mesh.spawn(process, None);
        stage.mesh.listening(process).await;
        let erased = stage.done(&id).await;
        assert_eq!(erased, expected, "the receipt after a kill at {} in {}", point.name(), role.name());
        stage.assert_erased(&person, &id).await;
        assert_eq!(rows_of(stage.mesh.databases(), &other).await, others, "rows of {} changed", other.mark);
        println!("killed at {} in {}: {:?}", point.name(), role.name(), begun.elapsed());
    }
}

#[tokio::test]
async fn a_service_that_does_not_answer_leaves_the_erasure_partial_until_it_does() {
    let mut stage = Stage::start().await;
    let person = Person::numbered(1);
    let id = stage.approved(&person).await;
    let support = stage.mesh.first(Role::Support);
    // Billing is erased, and then support is gone.
    stage.mesh.kill(support);
    stage.mesh.spawn(support, Some(chassis::SUBJECT_BATCH_ERASED));
    stage.mesh.listening(support).await;
    stage.mesh.advance(TimeDelta::days(8)).await;
    stage.mesh.killed_itself_in_time(support, chassis::SUBJECT_BATCH_ERASED).await;
    eventually("the failed call is shown with its reason", || async {
        let path = "/v1/services/compliance/deferred-calls?state=STATE_WAITING";
        let calls = get(stage.mesh.door, &Caller::admin(), path).await?;
        let is_failed = |call: &Value| {
            let text = |name: &str| call[name].as_str().unwrap_or_default().to_owned();
            text("rpc").ends_with("/RunErasure") && text("failure").contains("SERVICE_UNANSWERED")
        };
        calls.list("deferred_calls").iter().any(is_failed).then_some(())
    })
    .await;
    let partial = eventually("staff see the request", || stage.request(&id)).await;
    assert_eq!(partial.str("/data_request/state"), "STATE_IN_PROGRESS", "{}", partial.text);
    let mut mails = stage.post.accepted().into_iter().filter(|mail| mail.to == person.email);
    assert!(mails.all(|mail| mail.subject != DONE), "nobody may be told yet");
    assert!(!found_in(stage.mesh.databases(), &person).await.is_empty());

    stage.mesh.spawn(support, None);
    stage.mesh.listening(support).await;
    stage.done(&id).await;
    stage.assert_erased(&person, &id).await;
}
