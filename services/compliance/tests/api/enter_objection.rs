//! Staff enter an objection that came by letter: it holds as if the person had made it, and so does its end.

use levqor_proto_compliance::v1::{
    EnterObjectionRequest, GetObjectionsRequest, ObjectionScope, ObjectionStandings,
};
use levqor_runtime::testing::{Caller, refused, violated};
use tonic::Status;

use crate::{
    bench::{Bench, ada},
    set_objection::{set, told_changes},
};

async fn enter(
    bench: &Bench,
    caller: &Caller,
    scope: ObjectionScope,
    objects: bool,
) -> Result<ObjectionStandings, Status> {
    let request = EnterObjectionRequest { email: "ada@example.com".to_owned(), scope: scope.into(), objects };
    let caller = caller.with_key(if objects { "a-letter" } else { "another-letter" });
    let entered = bench.objections().enter_objection(caller.request(request)).await?;
    Ok(entered.into_inner().standings.expect("what stands"))
}

#[tokio::test]
async fn an_objection_by_letter_is_in_force_for_the_person_in_every_service() {
    let bench = Bench::start().await;
    assert!(enter(&bench, &ada(), ObjectionScope::Profiling, true).await.is_err(), "only staff");
    let entered = enter(&bench, &Caller::staff(), ObjectionScope::Profiling, true).await.expect("entered");
    assert!(entered.profiling && !entered.marketing);
    let request = ada().request(GetObjectionsRequest {});
    let hers = bench.objections().get_objections(request).await.expect("found").into_inner();
    assert!(hers.standings.expect("what stands").profiling, "she sees it in her account");
    assert_eq!(
        bench.count("declarations WHERE source = 'staff' AND given AND email = 'ada@example.com'").await,
        1
    );
    assert_eq!(bench.count("runtime.work WHERE rpc LIKE '%/ApplyObjection'").await, 3);
    assert_eq!(bench.count("runtime.audit_entries WHERE action = 'objection.enter'").await, 1);
    assert_eq!(told_changes(&bench).await, [["You object to scores that we give to your enquiries."]]);
}

#[tokio::test]
async fn the_end_of_an_objection_by_letter_ends_that_of_the_account() {
    let bench = Bench::start().await;
    set(&bench, &ada(), ObjectionScope::Automation, true).await;
    let ended = enter(&bench, &Caller::staff(), ObjectionScope::Automation, false).await.expect("entered");
    assert!(!ended.automation);
    assert_eq!(
        bench.count("declarations WHERE source = 'staff' AND NOT given AND owner_sub = 'ada'").await,
        1
    );
}

#[tokio::test]
async fn an_address_and_a_scope_are_needed() {
    let bench = Bench::start().await;
    let request = Caller::staff().with_key("a-letter").request(EnterObjectionRequest::default());
    let wrong = refused(bench.objections().enter_objection(request).await);
    assert_eq!(violated(&wrong), ["email", "scope"]);
}
