//! An erasure is complete, and changes no other person's data. Invented people have their values in every column that is declared personal,
//! in bodies, in files and in queues. Each has a second person beside them, whose values are nearly the same.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use chrono::TimeDelta;
use levqor_proto::{
    compliance::v1::{
        RunErasureRequest, data_request::State, data_request_service_client::DataRequestServiceClient,
    },
    runtime::v1::{EraseSubjectRequest, Subject, privacy_service_client::PrivacyServiceClient},
};
use levqor_runtime::testing::{self, Caller, eventually};
use serde_json::{Value, json};

use super::personal_data::until;
use crate::{
    canaries::{
        EXCEPTIONS, Person, Seeded, files_with, found_in, personal_columns, rows_of, rows_of_tables, seed,
    },
    fakes::stripe::{KEY, Stripe},
    harness::Mesh,
    services,
};

/// The id of an erasure that no person requested.
const ANOTHER_ERASURE: &str = "0190b2c4-0000-7000-8000-0000000000e7";

/// Rows by service and table.
type Counts = BTreeMap<(String, String), i64>;

/// What an erasure would do to one table.
struct Plan {
    action: String,
    rows: i64,
    kept: Vec<String>,
    ground: String,
}

/// What an erasure would do, by service and table.
type Plans = BTreeMap<(String, String), Plan>;

/// An erasure that a person requested.
struct Erasure {
    person: Person,
    id: String,
    seeded: Seeded,
}

impl Erasure {
    /// Seeds this person, who requests an erasure and approves it.
    async fn approved(mesh: &Mesh, person: &Person) -> Self {
        let seeded = seed(mesh.databases(), Path::new(mesh.files()), person).await;
        let actor = mesh.actor(person.caller());
        let created = actor.post("/v1/data-requests", json!({"right": "RIGHT_ERASURE"})).await;
        assert_eq!(created.status, 200, "{}", created.text);
        let id = created.str("/data_request/data_request_id").to_owned();
        mesh.settle().await;
        let preview = actor.get(&format!("/v1/data-requests/{id}/erasure-preview")).await;
        assert_eq!(preview.list("obstacles").len(), 0, "{}", preview.text);
        let approval = json!({"preview_hash": preview.str("/preview_hash")});
        let approved = actor.post(&format!("/v1/data-requests/{id}:approve"), approval).await;
        assert_eq!(approved.str("/data_request/state"), "STATE_SCHEDULED", "{}", approved.text);
        mesh.settle().await;
        Self { person: person.clone(), id, seeded }
    }

    /// The plan of what it would do now.
    async fn plans(&self, mesh: &Mesh) -> Plans {
        let preview = mesh.staff().get(&format!("/v1/data-requests/{}/erasure-preview", self.id)).await;
        assert_eq!(preview.status, 200, "{}", preview.text);
        preview.list("plans").iter().map(plan).collect()
    }

    /// How many rows of each table it has erased, by its receipt.
    async fn receipt(&self, mesh: &Mesh) -> Counts {
        let done = until(mesh, &self.id, "STATE_DONE").await;
        let lines = done.json["data_request"]["erased"].as_array().cloned().unwrap_or_default();
        lines.iter().map(|line| (place(line), line["rows"].as_i64().expect("a number"))).collect()
    }
}

fn plan(json: &Value) -> ((String, String), Plan) {
    let text = |name: &str| json[name].as_str().unwrap_or_default().to_owned();
    let kept = json["kept_columns"].as_array().cloned().unwrap_or_default();
    let plan = Plan {
        action: text("action"),
        rows: json["rows"].as_i64().unwrap_or_default(),
        kept: kept.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        ground: text("ground"),
    };
    (place(json), plan)
}

fn place(json: &Value) -> (String, String) {
    let text = |name: &str| json[name].as_str().unwrap_or_default().to_owned();
    (text("service"), text("table"))
}

/// The tables of these services that an erasure changes, without the queues and logs of calls: every look at them is a call.
fn changed(plans: &Plans, services: [&str; 2]) -> Counts {
    let changed = plans.iter().filter(|((service, table), plan)| {
        // Billing removes a deletion at Stripe itself, once it is made.
        let is_erased = plan.action != "KEEP" && table != "customer_deletions";
        services.contains(&service.as_str()) && is_erased && !table.starts_with("runtime.")
    });
    changed.map(|(place, plan)| (place.clone(), plan.rows)).collect()
}

/// The columns that may keep something.
fn exceptions() -> BTreeSet<String> {
    EXCEPTIONS.iter().map(|(column, _)| (*column).to_owned()).collect()
}

/// Checks that a preview names every row that was seeded, and each exception with its ground, and no other.
fn assert_announced(erasure: &Erasure, plans: &Plans) {
    for (place, rows) in &erasure.seeded {
        let planned = plans.get(place).map_or(0, |plan| plan.rows);
        assert!(planned >= *rows, "{}: {place:?}: {planned} of {rows}", erasure.person.mark);
        if ["billing", "support"].contains(&place.0.as_str()) && !place.1.starts_with("runtime.") {
            assert_eq!(planned, *rows, "{}: {place:?} has somebody else's", erasure.person.mark);
        }
    }
    let kept = plans.iter().flat_map(|((service, table), plan)| {
        plan.kept.iter().map(move |column| (format!("{service}.{table}.{column}"), plan.ground.as_str()))
    });
    let kept: BTreeMap<_, _> = kept.collect();
    assert_eq!(kept.keys().cloned().collect::<BTreeSet<_>>(), exceptions());
    for (column, ground) in EXCEPTIONS {
        assert!(kept[*column].starts_with(ground), "{column}: {}", kept[*column]);
    }
}

/// A mesh that asks this Stripe to delete customers. It has none of them, so they count as deleted.
async fn mesh_with(stripe: &Stripe) -> Mesh {
    Mesh::start_with(&[("STRIPE_SECRET_KEY", KEY), ("STRIPE_API_BASE", &stripe.url())]).await
}

/// Waits until Stripe has deleted the customers of these people, and lets the time pass in which its events may come.
async fn until_stripe_has_deleted(mesh: &Mesh, erasures: &[Erasure]) {
    const DELETED: &str = "customer_deletions WHERE state = 'DELETED'";
    for (deleted, _) in (1_i64..).zip(erasures) {
        eventually("the next customer is deleted", || async {
            (testing::count(mesh.billing_db(), DELETED).await >= deleted).then_some(())
        })
        .await;
    }
    mesh.advance(TimeDelta::minutes(6)).await;
    eventually("the deletions are over", || async {
        (testing::count(mesh.billing_db(), DELETED).await == 0).then_some(())
    })
    .await;
    // The erasures check again. Mails are erased ten minutes after the person's last mail: less time than that has passed.
    mesh.advance(TimeDelta::minutes(2)).await;
}

/// Lets the days of grace pass, until the last mails are sent.
async fn tell(mesh: &Mesh, erasures: &[Erasure]) {
    mesh.advance(TimeDelta::days(8)).await;
    until_stripe_has_deleted(mesh, erasures).await;
    // The time limit is for one of them: all together take longer on a small machine.
    for (told, _) in (1_i64..).zip(erasures) {
        eventually("the next one is told", || async {
            let done = testing::count(mesh.compliance_db(), "erasures WHERE step = 'TOLD'").await;
            let sent = "messages WHERE template = 'erasure_done' AND state = 'SENT'";
            let sent = testing::count(mesh.notifications_db(), sent).await;
            (done >= told && sent >= told).then_some(())
        })
        .await;
    }
}

/// Checks that nothing is left of these people but the exceptions, in no table and in no file.
async fn assert_nothing_left(mesh: &Mesh, erasures: &[Erasure]) {
    for Erasure { person, .. } in erasures {
        assert_eq!(found_in(mesh.databases(), person).await, exceptions(), "{}", person.mark);
        eventually("the files are removed", || async {
            files_with(Path::new(mesh.files()), person).is_empty().then_some(())
        })
        .await;
    }
}

/// Checks that every audit chain is whole.
async fn assert_chains_are_whole(mesh: &Mesh) {
    let verified = mesh.admin().post("/v1/audit-chains:verify", json!({})).await;
    let states =
        verified.list("audit_chains").iter().map(|chain| chain["state"].as_str().unwrap_or_default());
    assert_eq!(states.collect::<Vec<_>>(), ["STATE_WHOLE"].repeat(services::ALL.len()), "{}", verified.text);
}

#[tokio::test]
async fn an_erasure_leaves_nothing_of_its_person_and_everything_of_people_with_similar_data() {
    let stripe = Stripe::start();
    let mesh = mesh_with(&stripe).await;
    let declared = personal_columns(mesh.databases()).await;
    let mut others = Vec::new();
    for (_, other) in Person::pairs() {
        seed(mesh.databases(), Path::new(mesh.files()), &other).await;
        others.push((rows_of(mesh.databases(), &other).await, other));
    }
    let mut erasures = Vec::new();
    for (person, _) in Person::pairs() {
        let erasure = Erasure::approved(&mesh, &person).await;
        let everywhere = found_in(mesh.databases(), &person).await;
        let missing: Vec<_> = declared.difference(&everywhere).collect();
        assert!(missing.is_empty(), "nothing of {} was put into {missing:?}", person.mark);
        assert_eq!(
            files_with(Path::new(mesh.files()), &person).len(),
            4,
            "two rows of two tables have files"
        );
        erasures.push(erasure);
    }
    let mut expected = Vec::new();
    for erasure in &erasures {
        let plans = erasure.plans(&mesh).await;
        assert_announced(erasure, &plans);
        expected.push(changed(&plans, ["billing", "support"]));
    }
    tell(&mesh, &erasures).await;
    for (erasure, expected) in erasures.iter().zip(&mut expected) {
        expected.extend(changed(&erasure.plans(&mesh).await, ["notifications", "compliance"]));
    }
    mesh.advance(TimeDelta::minutes(15)).await;
    for (erasure, expected) in erasures.iter().zip(expected) {
        let receipt = erasure.receipt(&mesh).await;
        for (place, rows) in erasure.seeded.iter().filter(|(place, _)| place.1.starts_with("runtime.")) {
            let erased = receipt.get(place).copied().unwrap_or_default();
            assert!(erased >= *rows || place.1 == "runtime.leases", "{place:?}: {erased} of {rows}");
        }
        let own: Counts =
            receipt.into_iter().filter(|((_, table), _)| !table.starts_with("runtime.")).collect();
        assert_eq!(expected, own, "{}: the preview and the receipt", erasure.person.mark);
    }
    mesh.settle().await;
    mesh.advance(TimeDelta::minutes(2)).await;
    assert_nothing_left(&mesh, &erasures).await;
    for (before, other) in &others {
        assert_eq!(before, &rows_of(mesh.databases(), other).await, "rows of {} changed", other.mark);
        assert_eq!(files_with(Path::new(mesh.files()), other).len(), 4, "files of {}", other.mark);
    }
    assert_chains_are_whole(&mesh).await;
    assert_again_does_nothing(&mesh, &erasures).await;
    mesh.finish().await;
}

/// Runs the erasures again, and erases the same people once more under another id: nothing changes.
async fn assert_again_does_nothing(mesh: &Mesh, erasures: &[Erasure]) {
    mesh.settle().await;
    let seeded = erasures.iter().flat_map(|erasure| erasure.seeded.keys());
    // Stripe is asked once more.
    let own = seeded.filter(|(_, table)| !table.starts_with("runtime.") && table != "customer_deletions");
    let tables: BTreeSet<_> = own.map(|(service, table)| format!("{service}.{table}")).collect();
    let before = rows_of_tables(mesh.databases(), &tables).await;
    assert_eq!(before.len(), tables.len());
    for erasure in erasures {
        let receipt = erasure.receipt(mesh).await;
        let request = RunErasureRequest { data_request_id: erasure.id.clone() };
        let run = DataRequestServiceClient::new(mesh.channel("compliance"))
            .run_erasure(Caller::service("compliance", "compliance").request(request))
            .await;
        assert_eq!(run.expect("run again").into_inner().state(), State::Done);
        assert_eq!(erasure.receipt(mesh).await, receipt, "{}", erasure.person.mark);
        for service in services::ALL.iter().map(|service| service.name()) {
            let Person { sub, email, stripe_customer, .. } = erasure.person.clone();
            let request = EraseSubjectRequest {
                service: service.to_owned(),
                erasure_id: ANOTHER_ERASURE.to_owned(),
                subject: Some(Subject {
                    subs: vec![sub],
                    emails: vec![email],
                    stripe_customers: vec![stripe_customer],
                }),
                plans: Vec::new(),
                again: true,
            };
            let erased = PrivacyServiceClient::new(mesh.channel(service))
                .erase_subject(Caller::service("compliance", service).request(request))
                .await;
            let erased = erased.expect("erased again").into_inner();
            assert!(erased.complete && erased.erased.is_empty(), "{service}: {erased:?}");
        }
    }
    assert_eq!(rows_of_tables(mesh.databases(), &tables).await, before);
}

#[tokio::test]
async fn a_row_that_waits_for_its_end_keeps_the_erasure_partial_and_no_mail_says_that_it_is_done() {
    let stripe = Stripe::start();
    let mesh = mesh_with(&stripe).await;
    let person = Person::numbered(1);
    let erasure = Erasure::approved(&mesh, &person).await;
    // A request to Stripe that is under way. Only the order that it is about says whose it is.
    let of_guest = format!("stripe_operations WHERE owner_sub IS NULL AND path LIKE '%{}%'", person.mark);
    assert_eq!(testing::count(mesh.billing_db(), &of_guest).await, 1);
    let set = |state: &str| {
        let (_, rows) = of_guest.split_once(" WHERE ").expect("a condition");
        // Billing leaves rows that are as new as this to the call that stored them.
        format!(
            "UPDATE stripe_operations SET state = '{state}', update_time = runtime.now() + interval '1 year' WHERE {rows}"
        )
    };
    testing::execute(mesh.billing_db(), &set("REQUESTED")).await;
    mesh.advance(TimeDelta::days(8)).await;

    // It is shown as under way to the person, and with its reason to staff.
    until(&mesh, &erasure.id, "STATE_IN_PROGRESS").await;
    eventually("the erasure is partial", || async {
        let calls = mesh.admin().get("/v1/services/compliance/deferred-calls?state=STATE_WAITING").await;
        let is_partial = |call: &Value| {
            let text = |name: &str| call[name].as_str().unwrap_or_default().to_owned();
            text("rpc").ends_with("/RunErasure") && text("failure").contains("ERASURE_PARTIAL")
        };
        calls.list("deferred_calls").iter().any(is_partial).then_some(())
    })
    .await;
    assert_eq!(testing::count(mesh.billing_db(), &of_guest).await, 1, "it is under way");
    let its_order = format!("orders WHERE customer_email = '{}' AND owner_sub IS NULL", person.email);
    assert_eq!(
        testing::count(mesh.billing_db(), &its_order).await,
        1,
        "without it nobody would find the request"
    );
    let told = "messages WHERE template = 'erasure_done'";
    assert_eq!(testing::count(mesh.notifications_db(), told).await, 0, "nobody may be told yet");

    // Stripe has answered. The erasure continues by itself.
    testing::execute(mesh.billing_db(), &set("DONE")).await;
    mesh.advance(TimeDelta::hours(2)).await;
    until_stripe_has_deleted(&mesh, std::slice::from_ref(&erasure)).await;
    eventually("the person is told", || async {
        (testing::count(mesh.notifications_db(), &format!("{told} AND state = 'SENT'")).await == 1)
            .then_some(())
    })
    .await;
    mesh.advance(TimeDelta::hours(2)).await;
    until(&mesh, &erasure.id, "STATE_DONE").await;
    // The other calls that ran it find nothing to do.
    mesh.advance(TimeDelta::hours(2)).await;
    mesh.settle().await;
    assert_nothing_left(&mesh, &[erasure]).await;
    mesh.finish().await;
}

#[tokio::test]
async fn a_row_with_the_persons_address_belongs_to_the_account_that_claimed_it() {
    let stripe = Stripe::start();
    let mesh = mesh_with(&stripe).await;
    let (person, other) = (Person::numbered(1), Person::numbered(2));
    seed(mesh.databases(), Path::new(mesh.files()), &other).await;
    let claimed =
        format!("UPDATE tickets SET customer_email = '{}' WHERE owner_sub = '{}'", person.email, other.sub);
    testing::execute(mesh.support_db(), &claimed).await;
    let before = rows_of(mesh.databases(), &other).await;
    let erasures = [Erasure::approved(&mesh, &person).await];
    tell(&mesh, &erasures).await;
    mesh.advance(TimeDelta::minutes(15)).await;
    erasures[0].receipt(&mesh).await;
    mesh.settle().await;
    assert_eq!(rows_of(mesh.databases(), &other).await, before);
    let mut kept = exceptions();
    kept.insert("support.tickets.customer_email".to_owned());
    assert_eq!(found_in(mesh.databases(), &person).await, kept);
    mesh.finish().await;
}
