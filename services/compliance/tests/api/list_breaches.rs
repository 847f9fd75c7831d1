//! Staff list breaches, newest first, by their state.

use levqor_proto_compliance::v1::{ListBreachesRequest, breach::State};
use levqor_runtime::testing::Caller;

use crate::{
    bench::{Bench, ada},
    exempt_breach::exempt,
};

#[tokio::test]
async fn breaches_are_listed_newest_first_and_by_state() {
    let bench = Bench::start().await;
    let first = bench.breach().await.breach_id;
    let second = bench.breach().await.breach_id;
    exempt(&bench, &first, "The list was encrypted.").await.expect("exempt");
    let list = async |state: State, page_token: &str| {
        let page_token = page_token.to_owned();
        let request = ListBreachesRequest { state: state.into(), page_size: 1, page_token };
        bench.breaches().list_breaches(Caller::staff().request(request)).await.expect("a list").into_inner()
    };
    let page = list(State::Unspecified, "").await;
    assert_eq!(page.breaches.first().map(|it| &it.breach_id), Some(&second));
    let next = list(State::Unspecified, &page.next_page_token).await;
    assert_eq!(next.breaches.first().map(|it| &it.breach_id), Some(&first));
    assert!(next.next_page_token.is_empty());
    let exempted = list(State::NotNotifiable, "").await.breaches;
    assert_eq!(exempted.iter().map(|it| &it.breach_id).collect::<Vec<_>>(), [&first]);
    let request = ada().request(ListBreachesRequest::default());
    assert!(bench.breaches().list_breaches(request).await.is_err(), "only staff");
}
