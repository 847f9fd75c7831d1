//! Shared commits: an item that breaks its writer does not affect later items.

use std::cmp::Ordering;

use levqor_runtime::{
    db::DbError,
    shared_commit::{BatchWrite, SharedCommit},
    testing,
};
use sqlx::PgConnection;

/// Panics on odd numbers, and returns even ones.
struct Even;

impl BatchWrite for Even {
    type Item = i64;
    type Written = i64;
    const OPERATION: &'static str = "SELECT";
    const TABLE: &'static str = "numbers";

    fn order(&self, one: &i64, other: &i64) -> Ordering {
        one.cmp(other)
    }

    async fn write(&self, _: &mut PgConnection, items: &[i64]) -> Result<Vec<i64>, DbError> {
        assert!(items.iter().all(|item| item % 2 == 0), "an odd number");
        Ok(items.to_vec())
    }
}

#[tokio::test]
async fn a_write_that_panics_does_not_end_its_writer() {
    let url = testing::empty_database().await;
    let numbers = SharedCommit::new(&testing::connect(&url), Even);
    for odd in [1, 3, 5] {
        numbers.write(odd).await.expect_err("it panicked");
        assert_eq!(numbers.write(odd + 1).await.expect("the next one is written"), odd + 1);
    }
}
