//! Applies the retention periods that columns declare. A period counts from the time in the clock column of the table. At the end of its
//! period, a column is erased. If the table declares `erase: delete`, the row is deleted at the end of the longest period. A column that an
//! erasure keeps does not change, because its row needs the value. A row of a person under a hold (`holds`), or with a content that may
//! mention such a person, does not change until the hold ends.

use std::{collections::BTreeMap, time::Instant};

use chrono::{DateTime, Utc};
use levqor_proto_runtime::v1::RetentionOutcome;
use sqlx::AssertSqlSafe;
use uuid::Uuid;

use super::{
    Action, BATCH, CALL_TIME,
    catalogue::{Catalogue, Column, Table, quoted},
    declaration::PersonalColumn,
    holds,
    read::ALIAS,
    receipts,
    selection::{self, Search},
};
use crate::{
    clock::timestamp,
    db::{Db, DbError},
};

/// Erases old values for some seconds. Returns the result of each period in this run, and whether the run is complete. Each transaction
/// counts the rows that it erases, so that a lost answer loses no count. `hash` makes the keyed hash of an address, which tables may hold.
pub(crate) async fn apply(
    db: &Db,
    catalogue: &Catalogue,
    run_id: Uuid,
    hash: impl Fn(&String) -> Option<Vec<u8>> + Sync,
) -> Result<(Vec<RetentionOutcome>, bool), DbError> {
    let (mut outcomes, complete) = erase(db, catalogue, run_id, hash).await?;
    let counted: BTreeMap<_, _> =
        receipts::get(&mut *db.acquire().await?, run_id).await?.into_iter().collect();
    for outcome in &mut outcomes {
        outcome.rows = counted.get(&counter(&outcome.table, outcome.days)).copied().unwrap_or_default();
    }
    Ok((outcomes, complete))
}

/// The name under which a run counts the rows of a period.
fn counter(table: &str, days: i32) -> String {
    format!("{table} after {days} days")
}

/// Erases old values for some seconds. The outcomes have no counts yet.
async fn erase(
    db: &Db,
    catalogue: &Catalogue,
    run_id: Uuid,
    hash: impl Fn(&String) -> Option<Vec<u8>> + Sync,
) -> Result<(Vec<RetentionOutcome>, bool), DbError> {
    let end = Instant::now() + CALL_TIME;
    let mut outcomes = Vec::new();
    for table in &catalogue.tables {
        let first = outcomes.len();
        for statement in statements(catalogue, table) {
            let complete = run_until(end, db, run_id, &statement, &hash).await?;
            let Statement { days, columns, .. } = statement;
            outcomes.push(RetentionOutcome {
                table: table.title(),
                days,
                columns,
                rows: 0,
                oldest_time: None,
            });
            if !complete {
                return Ok((outcomes, false));
            }
        }
        let done = outcomes.get_mut(first..).unwrap_or_default();
        if !done.is_empty() {
            let oldest = oldest(db, table).await?;
            for outcome in done {
                outcome.oldest_time = oldest.map(timestamp);
            }
        }
    }
    Ok((outcomes, true))
}

/// The time of the oldest row of a table. `None` if there is no row, or if no index provides it.
async fn oldest(db: &Db, table: &Table) -> Result<Option<DateTime<Utc>>, DbError> {
    let clock = table.declared.clock.as_deref().and_then(|clock| table.column(clock));
    let Some(clock) = clock.filter(|clock| clock.is_indexed) else { return Ok(None) };
    let sql = format!("SELECT min({})::timestamptz FROM {}", quoted(&clock.name), table.sql());
    Ok(sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&mut *db.acquire().await?).await?)
}

/// Erases batch by batch, until no row is too old or the time is over. Returns whether it is complete.
async fn run_until(
    end: Instant,
    db: &Db,
    run_id: Uuid,
    statement: &Statement,
    hash: &(impl Fn(&String) -> Option<Vec<u8>> + Sync),
) -> Result<bool, DbError> {
    while Instant::now() <= end {
        if run(db, run_id, statement, hash).await? < BATCH {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The SQL of one period.
struct Statement {
    /// The name under which its rows are counted.
    counter: String,
    days: i32,
    /// The columns that it erases. Empty if it deletes the rows.
    columns: Vec<String>,
    /// For all rows.
    all: String,
    /// For the rows of people who are under no hold.
    free: String,
}

/// Erases one batch and counts it. No hold begins before the commit. Returns the number of rows.
async fn run(
    db: &Db,
    run_id: Uuid,
    statement: &Statement,
    hash: &(impl Fn(&String) -> Option<Vec<u8>> + Sync),
) -> Result<i64, DbError> {
    let mut tx = db.begin().await?;
    holds::freeze(&mut tx).await?;
    let held = holds::held(&mut tx).await?;
    let search = Search::new(&held, held.emails.iter().filter_map(hash).collect());
    let sql = if held.is_empty() { &statement.all } else { &statement.free };
    let changed = search.query(sql.clone()).bind(BATCH).execute(&mut *tx).await?.rows_affected();
    let changed = receipts::count(&mut tx, run_id, &statement.counter, changed).await?;
    tx.commit().await?;
    Ok(changed)
}

/// One statement for each period.
fn statements(catalogue: &Catalogue, table: &Table) -> Vec<Statement> {
    let touched = selection::touched(catalogue, table, ALIAS);
    let of_held = format!("({touched} OR {})", selection::candidate(table, ALIAS));
    let free = sql_of(table, &format!("{of_held} IS NOT TRUE"));
    let statement = |(of_all, (.., free)): (Period, Period)| {
        let (days, columns, all) = of_all;
        Statement { counter: counter(&table.title(), days), days, columns, all, free }
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
        // A column that cannot be blank is erased only with its row.
        let columns: Vec<_> = columns.into_iter().filter(|column| column.can_be_blank()).collect();
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
        .filter(|(_, columns)| columns.iter().any(|it| it.can_be_blank()))
        .map(statement)
        .collect()
}
