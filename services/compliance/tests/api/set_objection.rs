//! A person objects and later ends the objection: the history keeps both, and every service gets both.

use levqor_proto_compliance::v1::{
    ObjectionScope, ObjectionStandings, SetObjectionRequest, objection_service_client::ObjectionServiceClient,
};
use levqor_proto_mail::v1::send_message_request::Content;
use levqor_runtime::{client::Peer, testing::Caller};

use crate::bench::{Bench, ada};

impl Bench {
    pub(crate) fn objections(&self) -> ObjectionServiceClient<Peer> {
        ObjectionServiceClient::new(self.channel())
    }
}

/// Sets an objection. Returns the objections in force.
pub(crate) async fn set(
    bench: &Bench,
    caller: &Caller,
    scope: ObjectionScope,
    objects: bool,
) -> ObjectionStandings {
    let request = SetObjectionRequest { scope: scope.into(), objects };
    let answer = bench.objections().set_objection(caller.request(request)).await.expect("set");
    answer.into_inner().standings.expect("what stands")
}

#[tokio::test]
async fn an_objection_to_all_is_four_and_ends_one_by_one() {
    let bench = Bench::start().await;
    let all = set(&bench, &ada(), ObjectionScope::All, true).await;
    assert!(all.all && all.marketing && all.profiling && all.automation && all.analytics);
    let fewer = set(&bench, &ada(), ObjectionScope::Automation, false).await;
    assert!(!fewer.all && fewer.marketing && fewer.profiling && !fewer.automation && fewer.analytics);
    assert_eq!(bench.count("declarations WHERE kind = 'OBJECTION'").await, 5, "the history stays");
    // Three services get each of five changes.
    assert_eq!(bench.count("runtime.work WHERE rpc LIKE '%/ApplyObjection'").await, 15);
    assert_eq!(bench.count("runtime.audit_entries WHERE action = 'objection.set'").await, 2);
}

/// What Ada's mails say that changed, in no order.
pub(crate) async fn told_changes(bench: &Bench) -> Vec<Vec<String>> {
    let mails = bench.mails("ada@example.com").await;
    let changes = mails.into_iter().filter_map(|content| match content {
        Content::PrivacyPreferencesUpdated(mail) => Some(mail.changes),
        _ => None,
    });
    let mut changes: Vec<_> = changes.collect();
    changes.sort();
    changes
}

#[tokio::test]
async fn a_person_with_a_verified_address_gets_a_mail_only_about_changes() {
    let bench = Bench::start().await;
    for objects in [true, true, false, false] {
        set(&bench, &ada(), ObjectionScope::Profiling, objects).await;
    }
    let expected = ["You no longer object to", "You object to"];
    let expected = expected.map(|begin| vec![format!("{begin} scores that we give to your enquiries.")]);
    assert_eq!(told_changes(&bench).await, expected);
    let unverified = Caller::unverified("eve", "ada@example.com");
    set(&bench, &unverified, ObjectionScope::Marketing, false).await;
    assert_eq!(told_changes(&bench).await.len(), 2, "somebody else may have typed the address");
}
