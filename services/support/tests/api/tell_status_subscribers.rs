//! `TellStatusSubscribers`: each confirmed subscriber gets each news of a public incident once, also if there are many subscribers.

use levqor_proto_mail::v1::{SendMessageRequest, send_message_request::Content};
use levqor_proto_support::v1::{
    Component, CreateIncidentRequest, TellStatusSubscribersRequest, UpdateIncidentRequest,
    incident::{Kind, State},
};
use levqor_runtime::testing::{Caller, eventually, reason, refused, violated};

use super::{create_incident::maintenance, publish_incident::publish};
use crate::bench::{Bench, NOBODYS};

/// News of an incident in mails: the template, to whom, and the link that ends them.
fn news(mail: SendMessageRequest) -> Option<(&'static str, String, String)> {
    match mail.content? {
        Content::IncidentPublished(news) if news.is_maintenance => {
            Some(("maintenance", mail.recipient, news.manage_link.unwrap_or_default()))
        }
        Content::IncidentPublished(news) => {
            Some(("published", mail.recipient, news.manage_link.unwrap_or_default()))
        }
        Content::IncidentResolved(news) if news.is_maintenance => {
            Some(("maintenance over", mail.recipient, news.manage_link.unwrap_or_default()))
        }
        Content::IncidentResolved(news) => {
            Some(("resolved", mail.recipient, news.manage_link.unwrap_or_default()))
        }
        _ => None,
    }
}

impl Bench {
    /// The news, once there is this number of them.
    async fn news(&self, count: usize) -> Vec<(&'static str, String, String)> {
        let told = eventually("subscribers are told", || async {
            let told: Vec<_> = self.mails().await.into_iter().filter_map(news).collect();
            (told.len() >= count).then_some(told)
        });
        let told = told.await;
        assert_eq!(told.len(), count, "{told:?}");
        told
    }
}

#[tokio::test]
async fn only_confirmed_subscribers_get_mails_about_publication_update_and_end() {
    let bench = Bench::start().await;
    let token = bench.subscriber("ada@example.com").await;
    bench.subscribe("bob@example.com").await.expect("accepted, and never confirmed");
    let id = bench.emergency().await;
    let staff = Caller::staff();
    let update = async |state: State, text: &str| {
        let (incident_id, text) = (id.clone(), text.to_owned());
        let request = UpdateIncidentRequest { incident_id, state: state.into(), text, ..Default::default() };
        bench.incidents().update_incident(staff.request(request)).await.expect("updated");
    };
    update(State::Investigating, "Nobody may know yet.").await;
    bench.incidents().publish_incident(staff.request(publish(&id))).await.expect("published");
    bench.news(1).await;
    update(State::Identified, "A disk is full.").await;
    bench.news(2).await;
    update(State::Resolved, "It is over.").await;
    let told = bench.news(3).await;
    let link = format!("https://api.levqor.ai/status/unsubscribe/{token}");
    assert!(told.iter().all(|(_, to, with)| to == "ada@example.com" && *with == link), "{told:?}");
    let resolved = told.iter().filter(|(kind, ..)| *kind == "resolved").count();
    assert_eq!(resolved, 1, "{told:?}");
    // Texts of the time when it was private stay private.
    let private = "runtime.work WHERE strpos(encode(request, 'escape'), 'Nobody may know') > 0";
    assert_eq!(bench.count(private).await, 0);
}

#[tokio::test]
async fn the_mail_about_the_end_of_a_maintenance_has_its_own_words() {
    let bench = Bench::start().await;
    bench.subscriber("ada@example.com").await;
    let staff = Caller::staff();
    let request = staff.request(maintenance(&bench, 25).await);
    let created = bench.incidents().create_incident(request).await.expect("announced");
    let incident_id = created.into_inner().incident.expect("an incident").incident_id;
    bench.news(1).await;
    bench.advance(chrono::TimeDelta::hours(26)).await;
    let text = "The new database is in use.".to_owned();
    let request =
        UpdateIncidentRequest { incident_id, state: State::Resolved.into(), text, ..Default::default() };
    bench.incidents().update_incident(staff.request(request)).await.expect("updated");
    let told = bench.news(2).await;
    let mut kinds: Vec<_> = told.iter().map(|(kind, ..)| *kind).collect();
    kinds.sort_unstable();
    assert_eq!(kinds, ["maintenance", "maintenance over"]);
}

#[tokio::test]
async fn mails_about_maintenance_are_sent_in_parts_and_once_to_each_subscriber() {
    let bench = Bench::start().await;
    bench
        .execute(
            "INSERT INTO status_subscribers (subscriber_id, email, token, ask_count, ask_time, confirm_time, create_time)
             SELECT gen_random_uuid(), 'n' || n || '@example.com', encode(sha256(n::text::bytea), 'hex'), 1, runtime.now(),
                    runtime.now(), runtime.now()
             FROM generate_series(1, 450) AS n",
        )
        .await;
    let begin = bench.now_seconds().await + 30 * 3600;
    let time = |seconds| Some(prost_types::Timestamp { seconds, nanos: 0 });
    let request = CreateIncidentRequest {
        kind: Kind::Maintenance.into(),
        title: "A new database".to_owned(),
        text: "Orders do not work for an hour.".to_owned(),
        components: vec![Component::Billing.into()],
        start_time: time(begin),
        end_time: time(begin + 3600),
        ..CreateIncidentRequest::default()
    };
    bench.incidents().create_incident(Caller::staff().request(request)).await.expect("announced");
    let told = bench.news(450).await;
    let recipients: std::collections::BTreeSet<_> = told.iter().map(|(_, to, _)| to).collect();
    assert!(recipients.len() == 450 && told.iter().all(|(kind, ..)| *kind == "maintenance"));
    // The call is made again: each subscriber gets one mail.
    let update_id: String = sqlx::query_scalar("SELECT update_id::text FROM incident_updates")
        .fetch_one(bench.service.db.pool())
        .await
        .expect("an update");
    let incident_id: String = sqlx::query_scalar("SELECT incident_id::text FROM incidents")
        .fetch_one(bench.service.db.pool())
        .await
        .expect("an incident");
    let tell = async |incident_id: &str, update_id: &str| {
        let (incident_id, update_id) = (incident_id.to_owned(), update_id.to_owned());
        let request = TellStatusSubscribersRequest { incident_id, update_id, ..Default::default() };
        let own = Caller::service("support", "support").request(request);
        Ok::<_, tonic::Status>(
            bench.status_subscriptions().tell_status_subscribers(own).await?.into_inner().told,
        )
    };
    assert_eq!(tell(&incident_id, &update_id).await.expect("told"), 200);
    bench.news(450).await;
    assert_eq!(reason(&refused(tell(NOBODYS, &update_id).await)), "INCIDENT_NOT_FOUND");
    assert_eq!(violated(&refused(tell("", "").await)), ["incident_id", "update_id"]);
}
