//! Every column of every service is classified in its migration, and every table with personal columns says whose its rows are.

use levqor_billing::Billing;
use levqor_runtime::{privacy::Catalogue, testing};

use crate::databases::databases;

#[tokio::test]
async fn every_column_says_whether_it_is_personal_and_every_table_whose_its_rows_are() {
    for url in databases().await {
        let db = testing::connect(&url);
        // Reading fails for a column without a classification, and for a declaration that does not fit its table.
        let catalogue =
            Catalogue::read(&mut db.acquire().await.expect("a connection")).await.expect("declarations");
        assert!(catalogue.names().count() >= 3, "the tables were not found");
        assert_eq!(
            catalogue.undeclared(),
            Vec::<String>::new(),
            "tables with personal columns declare nothing"
        );
    }
}

/// Tables whose periods something else applies: journals purge their bodies, and a lease or a call to Stripe ends by itself.
const ENDED_ELSEWHERE: &[&str] =
    &["public.customer_deletions", "public.provider_events", "public.stripe_events", "runtime.leases"];

#[tokio::test]
async fn every_table_with_a_period_has_a_clock_by_which_it_is_applied() {
    for url in databases().await {
        let db = testing::connect(&url);
        let tables: Vec<String> = sqlx::query_scalar(
            "SELECT DISTINCT format('%s.%s', c.relnamespace::regnamespace, c.relname)
             FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
             WHERE c.relkind = 'r' AND c.relnamespace IN ('public'::regnamespace, 'runtime'::regnamespace)
               AND col_description(c.oid, a.attnum) LIKE 'personal: %'
               AND col_description(c.oid, a.attnum) NOT LIKE '%; keep: until erasure%'
               AND col_description(c.oid, a.attnum) NOT LIKE '%; erase: keep%'
               AND coalesce(obj_description(c.oid, 'pg_class'), '') NOT LIKE '%; clock: %'",
        )
        .fetch_all(db.pool())
        .await
        .expect("tables");
        let forgotten: Vec<_> =
            tables.iter().filter(|table| !ENDED_ELSEWHERE.contains(&table.as_str())).collect();
        assert!(forgotten.is_empty(), "nothing applies the periods of {forgotten:?}");
    }
}

#[tokio::test]
async fn a_table_that_declares_nothing_and_a_column_without_classification_are_found() {
    let db = testing::connect(&testing::database::<Billing>().await);
    let read = async || Catalogue::read(&mut db.acquire().await.expect("a connection")).await;
    testing::execute(&db, "CREATE TABLE forgotten (id int PRIMARY KEY, email text)").await;
    assert!(read().await.is_err(), "the columns are not classified");
    let comments = "COMMENT ON COLUMN forgotten.id IS 'not personal';
                    COMMENT ON COLUMN forgotten.email IS 'personal: EMAIL; keep: 1y'";
    testing::execute(&db, comments).await;
    assert_eq!(read().await.expect("declarations").undeclared(), ["public.forgotten"]);
    let wrong = "COMMENT ON TABLE forgotten IS 'subject: email mail; erase: null'";
    testing::execute(&db, wrong).await;
    assert!(read().await.is_err(), "there is no such column");
}
