//! People see their own data requests.

use levqor_proto_compliance::v1::Right;
use levqor_runtime::testing::{Caller, reason};

use crate::bench::{Bench, NOBODYS, ada, bob};

#[tokio::test]
async fn a_request_is_seen_by_its_owner_and_by_staff() {
    let bench = Bench::start().await;
    let id = bench.create(&ada(), Right::Erasure).await.expect("created").data_request_id;
    for caller in [ada(), Caller::staff()] {
        assert_eq!(bench.get(&caller, &id).await.expect("found").right(), Right::Erasure);
    }
    for (caller, id) in [(bob(), id.as_str()), (ada(), NOBODYS)] {
        let refused = bench.get(&caller, id).await.expect_err("not found");
        assert_eq!(reason(&refused), "DATA_REQUEST_NOT_FOUND");
    }
}

#[tokio::test]
async fn a_request_by_mail_is_the_persons_with_that_verified_address_once_it_is_confirmed() {
    let bench = Bench::start().await;
    let id = bench.create_mailed("ada@example.com", Right::Erasure).await;
    assert!(bench.get(&ada(), &id).await.is_err(), "anybody could have made it");
    let code = bench.code("ada@example.com").await;
    bench.confirm(&id, &code).await.expect("confirmed");
    assert!(bench.get(&ada(), &id).await.is_ok());
    assert!(bench.get(&bob(), &id).await.is_err());
}
