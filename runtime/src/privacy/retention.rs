//! Applies the retention periods that columns declare, from the time in the clock column of their table. When the longest period of a
//! table whose rows are deleted is over, the row is deleted; before that, and in other tables, the columns are erased one by one.
//! A column that an erasure keeps is not touched: its row cannot be without it. Neither is a row whose person is held (`holds`): it stays
//! until the hold ends, and so does a row whose content may mention them.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use sqlx::AssertSqlSafe;

use super::{
    Action,
    catalogue::{Catalogue, Column, Table, quoted},
    declaration::PersonalColumn,
    holds,
    read::ALIAS,
    selection::{self, Search},
};
use crate::db::{Db, DbError};

/// The most rows that one commit changes.
const BATCH: i64 = 500;
/// How long one call goes on.
const PATIENCE: Duration = Duration::from_secs(8);

/// The result of applying one retention period to a table.
pub(crate) struct Outcome {
    pub(crate) table: String,
    pub(crate) days: i32,
    /// The columns that it erases. Empty if it deletes the rows.
    pub(crate) columns: Vec<String>,
    pub(crate) rows: i64,
    /// The time of the oldest row that the table has now, if an index can find it.
    pub(crate) oldest: Option<DateTime<Utc>>,
}

/// Erases what is too old, for some seconds. Returns what each period did, and whether nothing more is too old. `hash`: the keyed hash of
/// an address, under which tables may name it.
pub(crate) async fn apply(
    db: &Db,
    catalogue: &Catalogue,
    hash: impl Fn(&String) -> Option<Vec<u8>> + Sync,
) -> Result<(Vec<Outcome>, bool), DbError> {
    let end = Instant::now() + PATIENCE;
    let mut outcomes = Vec::new();
    for table in &catalogue.tables {
        let first = outcomes.len();
        for statement in statements(catalogue, table) {
            let (rows, complete) = run_until(end, db, &statement, &hash).await?;
            let Statement { days, columns, .. } = statement;
            outcomes.push(Outcome { table: table.title(), days, columns, rows, oldest: None });
            if !complete {
                return Ok((outcomes, false));
            }
        }
        let done = outcomes.get_mut(first..).unwrap_or_default();
        if !done.is_empty() {
            let oldest = oldest(db, table).await?;
            for outcome in done {
                outcome.oldest = oldest;
            }
        }
    }
    Ok((outcomes, true))
}

/// The time of the oldest row of a table. `None` if there is no row, or if no index tells it.
async fn oldest(db: &Db, table: &Table) -> Result<Option<DateTime<Utc>>, DbError> {
    let clock = table.declared.clock.as_deref().and_then(|clock| table.column(clock));
    let Some(clock) = clock.filter(|clock| clock.is_indexed) else { return Ok(None) };
    let sql = format!("SELECT min({})::timestamptz FROM {}", quoted(&clock.name), table.sql());
    Ok(sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&mut *db.acquire().await?).await?)
}

/// Erases batch by batch, until nothing more is too old or the time is over. Returns how many rows, and whether it is complete.
async fn run_until(
    end: Instant,
    db: &Db,
    statement: &Statement,
    hash: &(impl Fn(&String) -> Option<Vec<u8>> + Sync),
) -> Result<(i64, bool), DbError> {
    let mut rows = 0;
    while Instant::now() <= end {
        let changed = run(db, statement, hash).await?;
        rows += changed;
        if changed < BATCH {
            return Ok((rows, true));
        }
    }
    Ok((rows, false))
}

/// The SQL of one period.
struct Statement {
    days: i32,
    /// The columns that it erases. Empty if it deletes the rows.
    columns: Vec<String>,
    /// For all rows.
    all: String,
    /// For the rows of people who are not held.
    free: String,
}

/// Erases one batch. No hold begins before it is committed.
async fn run(
    db: &Db,
    statement: &Statement,
    hash: &(impl Fn(&String) -> Option<Vec<u8>> + Sync),
) -> Result<i64, DbError> {
    let mut tx = db.begin().await?;
    holds::freeze(&mut tx).await?;
    let held = holds::held(&mut tx).await?;
    let search = Search::new(&held, held.emails.iter().filter_map(hash).collect());
    let sql = if held.is_empty() { &statement.all } else { &statement.free };
    let changed = search.query(sql.clone()).bind(BATCH).execute(&mut *tx).await?.rows_affected();
    tx.commit().await?;
    Ok(i64::try_from(changed).unwrap_or(i64::MAX))
}

/// One statement for each period.
fn statements(catalogue: &Catalogue, table: &Table) -> Vec<Statement> {
    let touched = selection::touched(catalogue, table, ALIAS);
    let of_held = format!("({touched} OR {})", selection::candidate(table, ALIAS));
    let free = sql_of(table, &format!("{of_held} IS NOT TRUE"));
    let statement = |(of_all, (.., free)): (Period, Period)| {
        let (days, columns, all) = of_all;
        Statement { days, columns, all, free }
    };
    sql_of(table, "true").into_iter().zip(free).map(statement).collect()
}

/// A period in days, the columns that it erases, and its SQL.
type Period = (i32, Vec<String>, String);

/// Each period with its SQL, for the rows that meet a condition.
fn sql_of(table: &Table, condition: &str) -> Vec<Period> {
    let Some(clock) = &table.declared.clock else { return Vec::new() };
    let mut periods: BTreeMap<i32, Vec<&Column>> = BTreeMap::new();
    for column in &table.columns {
        let personal = column.personal.as_ref().filter(|personal| !personal.is_kept);
        if let Some(days) = personal.and_then(PersonalColumn::keep_days)
            && !table.key.contains(&column.name)
        {
            periods.entry(days).or_default().push(column);
        }
    }
    let longest = periods.keys().next_back().copied();
    let statement = |(days, columns): (i32, Vec<&Column>)| {
        let deletes = table.declared.action == Action::Delete && Some(days) == longest;
        let old = format!("{ALIAS}.{} < runtime.now() - interval '{days} days'", quoted(clock));
        let once = table.declared.once.as_deref().unwrap_or("true");
        // What a row needs as long as it lives cannot be erased from it.
        let columns: Vec<_> = columns.into_iter().filter(|column| can_be_blank(column)).collect();
        let filled = selection::any(columns.iter().map(|column| selection::differs(column, ALIAS)));
        let filled = if deletes { "true".to_owned() } else { filled };
        let keys: Vec<_> = table.key.iter().map(|name| quoted(name)).collect();
        let of = keys.iter().map(|key| format!("{ALIAS}.{key}")).collect::<Vec<_>>().join(", ");
        let wanted = format!(
            "({}) IN (SELECT {of} FROM {} {ALIAS} WHERE {old} AND ({once}) AND {filled} AND {condition}
             LIMIT $7 FOR UPDATE)",
            keys.join(", "),
            table.sql()
        );
        if deletes {
            return (days, Vec::new(), format!("DELETE FROM {} WHERE {wanted}", table.sql()));
        }
        let blanks =
            columns.iter().map(|column| format!("{} = {}", quoted(&column.name), selection::blank(column)));
        let set: Vec<_> = blanks.chain(table.declared.set.clone()).collect();
        let names: Vec<String> = columns.iter().map(|column| column.name.clone()).collect();
        (days, names, format!("UPDATE {} SET {} WHERE {wanted}", table.sql(), set.join(", ")))
    };
    periods
        .into_iter()
        .filter(|(_, columns)| columns.iter().any(|it| can_be_blank(it)))
        .map(statement)
        .collect()
}

fn can_be_blank(column: &Column) -> bool {
    !column.not_null || ["text", "jsonb", "bytea", "text[]"].contains(&column.kind.as_str())
}
