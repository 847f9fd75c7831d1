//! Customers list the history of their own objections, and staff list all.

use levqor_proto_compliance::v1::{ListObjectionsRequest, ObjectionScope};
use levqor_runtime::testing::Caller;

use crate::{
    bench::{Bench, ada, bob},
    set_objection::set,
};

#[tokio::test]
async fn a_customer_sees_their_own_history() {
    let bench = Bench::start().await;
    set(&bench, &ada(), ObjectionScope::Profiling, true).await;
    set(&bench, &ada(), ObjectionScope::Profiling, false).await;
    set(&bench, &bob(), ObjectionScope::Analytics, true).await;
    let list = async |caller: Caller| {
        let request = caller.request(ListObjectionsRequest::default());
        bench.objections().list_objections(request).await.expect("a list").into_inner().objections
    };
    let hers = list(ada()).await;
    let shown: Vec<_> = hers.iter().map(|it| (it.scope(), it.objects)).collect();
    assert_eq!(shown, [(ObjectionScope::Profiling, false), (ObjectionScope::Profiling, true)]);
    assert_eq!(list(Caller::staff()).await.len(), 3);
}
