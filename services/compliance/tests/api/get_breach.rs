//! Staff get one breach.

use levqor_proto_compliance::v1::{Breach, GetBreachRequest};
use levqor_runtime::testing::{Caller, reason, refused};
use tonic::Status;

use crate::bench::{Bench, NOBODYS, ada};

pub(crate) async fn get(bench: &Bench, caller: &Caller, id: &str) -> Result<Breach, Status> {
    let request = GetBreachRequest { breach_id: id.to_owned() };
    let found = bench.breaches().get_breach(caller.request(request)).await?;
    Ok(found.into_inner().breach.expect("a breach"))
}

#[tokio::test]
async fn staff_get_a_breach_as_it_was_recorded() {
    let bench = Bench::start().await;
    let created = bench.breach().await;
    let id = &created.breach_id;
    assert_eq!(get(&bench, &Caller::staff(), id).await.expect("found"), created);
    assert!(get(&bench, &ada(), id).await.is_err(), "only staff");
    assert_eq!(reason(&refused(get(&bench, &Caller::staff(), NOBODYS).await)), "BREACH_NOT_FOUND");
}
