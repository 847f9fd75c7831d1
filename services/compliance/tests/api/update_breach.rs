//! Staff update the known facts of a breach.

use levqor_proto_compliance::v1::{Breach, BreachFacts, UpdateBreachRequest};
use levqor_runtime::testing::{Caller, reason, refused, violated};
use tonic::Status;

use crate::{
    bench::{Bench, NOBODYS, facts},
    close_breach::close,
    exempt_breach::exempt,
};

async fn update(bench: &Bench, id: &str, facts: BreachFacts) -> Result<Breach, Status> {
    let request = UpdateBreachRequest { breach_id: id.to_owned(), facts: Some(facts) };
    let updated = bench.breaches().update_breach(Caller::staff().request(request)).await?;
    Ok(updated.into_inner().breach.expect("a breach"))
}

#[tokio::test]
async fn known_facts_can_be_replaced_until_the_breach_is_closed() {
    let bench = Bench::start().await;
    let id = bench.breach().await.breach_id;
    let more = BreachFacts { people_count: 41, data_kinds: vec!["names".to_owned()], ..facts() };
    let updated = update(&bench, &id, more.clone()).await.expect("updated");
    assert_eq!(updated.facts, Some(more.clone()));
    let negative = BreachFacts { people_count: -1, ..facts() };
    assert_eq!(violated(&refused(update(&bench, &id, negative).await)), ["facts.people_count"]);
    assert_eq!(reason(&refused(update(&bench, NOBODYS, facts()).await)), "BREACH_NOT_FOUND");
    exempt(&bench, &id, "The list was encrypted.").await.expect("exempt");
    close(&bench, &id, "").await.expect("closed");
    assert_eq!(reason(&refused(update(&bench, &id, more).await)), "BREACH_STATE");
    assert_eq!(bench.count("runtime.audit_entries WHERE action = 'breach.update'").await, 1);
}
