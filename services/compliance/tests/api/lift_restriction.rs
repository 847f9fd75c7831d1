//! Staff lift a restriction: the person gets a mail, and it ends seven days later.

use levqor_proto_compliance::v1::{
    HoldState, LiftRestrictionRequest, Restriction, restriction_service_client::RestrictionServiceClient,
};
use levqor_proto_mail::v1::send_message_request::Content;
use levqor_runtime::{
    client::Peer,
    testing::{Caller, eventually, reason, refused, violated},
};
use tonic::Status;

use crate::{
    accept_data_request::restrict,
    bench::{Bench, NOBODYS, ada},
    list_restrictions::restrictions,
};

impl Bench {
    pub(crate) fn restrictions(&self) -> RestrictionServiceClient<Peer> {
        RestrictionServiceClient::new(self.channel())
    }
}

async fn lift(bench: &Bench, caller: &Caller, id: &str, reasons: &str) -> Result<Restriction, Status> {
    let request = LiftRestrictionRequest { restriction_id: id.to_owned(), reasons: reasons.to_owned() };
    let lifted = bench.restrictions().lift_restriction(caller.request(request)).await?;
    Ok(lifted.into_inner().restriction.expect("a restriction"))
}

#[tokio::test]
async fn the_person_gets_a_mail_before_a_restriction_ends() {
    let bench = Bench::start().await;
    restrict(&bench).await;
    let id = restrictions(&bench).await.remove(0).restriction_id;
    assert!(lift(&bench, &ada(), &id, "It is right.").await.is_err(), "only staff");
    let lifted = lift(&bench, &Caller::staff(), &id, "It is right.").await.expect("lifted");
    assert!(lifted.lift_time.is_some() && lifted.state() == HoldState::Standing, "it stands until then");
    let told = bench.mails("ada@example.com").await.into_iter().find_map(|mail| match mail {
        Content::RestrictionEnding(told) => Some(told),
        _ => None,
    });
    let told = told.expect("the person is told");
    assert_eq!((told.reasons.as_str(), told.end_time), ("It is right.", lifted.lift_time));
    let again = lift(&bench, &Caller::staff(), &id, "It is right.").await.expect_err("announced");
    assert_eq!(reason(&again), "HOLD_OVER");
    assert_eq!(bench.count("runtime.holds WHERE stands").await, 2);
    bench.pass(8).await;
    eventually("it has ended", || async {
        let found = restrictions(&bench).await.remove(0);
        (found.state() == HoldState::Released).then_some(())
    })
    .await;
    assert_eq!(bench.count("runtime.holds WHERE stands").await, 0);
}

#[tokio::test]
async fn reasons_and_a_restriction_are_needed() {
    let bench = Bench::start().await;
    let wrong = refused(lift(&bench, &Caller::staff(), NOBODYS, " ").await);
    assert_eq!(violated(&wrong), ["reasons"]);
    let nobodys = lift(&bench, &Caller::staff(), NOBODYS, "It is right.").await.expect_err("nobody's");
    assert_eq!(reason(&nobodys), "HOLD_NOT_FOUND");
}
