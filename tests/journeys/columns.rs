//! Every column of every service is classified in its migration: what is personal, and how long it is kept.

use levqor_billing::Billing;
use levqor_notifications::Notifications;
use levqor_runtime::testing;

#[tokio::test]
async fn every_column_says_whether_it_is_personal() {
    let databases = [testing::database::<Billing>().await, testing::database::<Notifications>().await];
    for url in databases {
        let columns: Vec<(String, Option<String>)> = sqlx::query_as(
            "SELECT c.table_schema || '.' || c.table_name || '.' || c.column_name,
                    col_description(format('%I.%I', c.table_schema, c.table_name)::regclass, c.ordinal_position)
             FROM information_schema.columns c
             WHERE c.table_schema IN ('public', 'runtime')
               AND c.table_name NOT IN ('_sqlx_migrations', 'migrations')",
        )
        .fetch_all(testing::connect(&url).pool())
        .await
        .expect("columns");
        assert!(columns.len() > 30, "the tables were not found");
        for (column, comment) in columns {
            let comment = comment.unwrap_or_else(|| panic!("{column} is not classified"));
            assert!(is_classification(&comment), "{column}: {comment:?} is no classification");
        }
    }
}

/// `not personal`, or `personal: CATEGORY; keep: 90d`; a reason may follow in brackets.
fn is_classification(comment: &str) -> bool {
    let comment = comment.split(" (").next().unwrap_or_default();
    if comment == "not personal" {
        return true;
    }
    let categories = ["EMAIL", "NAME", "IP", "MESSAGE", "PAYMENT", "IDENTIFIER"];
    let parts = comment.strip_prefix("personal: ").and_then(|rest| rest.split_once("; keep: "));
    parts.is_some_and(|(category, keep)| {
        let digits = keep.trim_end_matches(['d', 'y']);
        categories.contains(&category) && digits.len() + 1 == keep.len() && digits.parse::<u32>().is_ok()
    })
}
