//! Erases a subject's rows, in transactions of some rows each. Each transaction also counts its rows, so that the receipt is correct after
//! a crash.

use std::{collections::BTreeSet, time::Instant};

use levqor_proto_runtime::v1::{ErasurePlan, erasure_plan};
use sqlx::{AssertSqlSafe, PgConnection};
use uuid::Uuid;

use super::{
    Action, CALL_TIME, Subject,
    catalogue::{Catalogue, Table, quoted},
    holds::{self, HoldKind},
    read::{ALIAS, Walk, Which, is_left, plans},
    receipts,
    selection::{self, Search},
};
use crate::{
    db::{Db, DbError},
    fail_point,
};

/// An erasure in this database.
pub(crate) struct Erasure<'e> {
    pub(crate) id: Uuid,
    pub(crate) subject: &'e Subject,
    pub(crate) catalogue: &'e Catalogue,
    pub(crate) search: &'e Search,
    /// Whether rows wait for their condition `once`. An erasure that a restore undid does not wait, because it was complete before.
    pub(crate) waits: bool,
}

impl Erasure<'_> {
    fn which(&self) -> Which {
        if self.waits { Which::Due } else { Which::Forced }
    }
}

/// The progress of an erasure.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// The rows differ from the approved preview. Nothing was erased.
    Stale,
    /// A legal hold is in force. Nothing more is erased until it ends.
    Held,
    /// There are more rows to erase.
    Partial(Vec<(String, i64)>),
    /// The due rows are erased. Other rows wait for their condition `once`, and their parent rows wait with them.
    Waiting(Vec<(String, i64)>),
    /// All rows are erased. Each table has its count.
    Complete(Vec<(String, i64)>),
}

/// Erases for some seconds. `approved`: the counts of the preview, if they must be compared before the erasure begins.
pub(crate) async fn erase(
    db: &Db,
    erasure: &Erasure<'_>,
    approved: Option<&[(String, i64)]>,
) -> Result<Progress, DbError> {
    let end = Instant::now() + CALL_TIME;
    if let Some(refused) = begin(db, erasure, approved).await? {
        return Ok(refused);
    }
    let mut held: BTreeSet<&str> = BTreeSet::new();
    for table in &erasure.catalogue.tables {
        if held.contains(table.name.as_str()) {
            held.extend(table.parents());
            continue;
        }
        let mut walk = Walk::new(erasure.catalogue, table, erasure.search, erasure.which());
        loop {
            if Instant::now() > end {
                return Ok(Progress::Partial(receipts::get(&mut *db.acquire().await?, erasure.id).await?));
            }
            let mut tx = db.begin().await?;
            if is_held(&mut tx, erasure).await? {
                return Ok(Progress::Held);
            }
            let Some(found) = walk.next(&mut tx).await? else { break };
            let keys: Vec<_> = found.into_iter().map(|found| found.key).collect();
            if keys.is_empty() {
                continue;
            }
            let erased = apply(&mut tx, table, &keys, erasure.waits).await?;
            receipts::count(&mut tx, erasure.id, &table.title(), erased).await?;
            tx.commit().await?;
            fail_point::SUBJECT_BATCH_ERASED.reached();
        }
        // A row that waits is found through its parent rows, so they wait with it.
        if table.declared.once.is_some() && table.parents().next().is_some() {
            let mut conn = db.acquire().await?;
            if is_left(&mut conn, erasure.catalogue, table, erasure.search).await? {
                held.extend(table.parents());
            }
        }
    }
    let erased = receipts::get(&mut *db.acquire().await?, erasure.id).await?;
    Ok(if held.is_empty() { Progress::Complete(erased) } else { Progress::Waiting(erased) })
}

/// Whether a legal hold is in force. If none is, none begins before the transaction ends.
async fn is_held(conn: &mut PgConnection, erasure: &Erasure<'_>) -> Result<bool, DbError> {
    // The holds that a restore brought back ended before the erasure was complete. Compliance lists no erasure that a hold can still stop.
    if !erasure.waits {
        return Ok(false);
    }
    holds::freeze(conn).await?;
    let holds = holds::standing_holds(conn, HoldKind::LegalHold, erasure.subject).await?;
    Ok(!holds.is_empty())
}

/// Begins the erasure, if it has not begun. Returns the reason if it cannot begin.
async fn begin(
    db: &Db,
    erasure: &Erasure<'_>,
    approved: Option<&[(String, i64)]>,
) -> Result<Option<Progress>, DbError> {
    let mut tx = db.begin().await?;
    if is_held(&mut tx, erasure).await? {
        return Ok(Some(Progress::Held));
    }
    if receipts::begin(&mut tx, erasure.id).await?
        && let Some(approved) = approved
    {
        let plans = plans(&mut tx, erasure.catalogue, erasure.search).await?;
        if planned(&plans) != approved {
            return Ok(Some(Progress::Stale));
        }
    }
    tx.commit().await?;
    Ok(None)
}

/// The number of changed rows of each table, as a preview shows them.
pub(crate) fn planned(plans: &[ErasurePlan]) -> Vec<(String, i64)> {
    let changed = plans.iter().filter(|plan| plan.action() != erasure_plan::Action::Keep);
    changed.map(|plan| (plan.table.clone(), plan.rows)).collect()
}

/// Erases the rows with these keys as their table declares. Returns the number of rows.
async fn apply(
    conn: &mut PgConnection,
    table: &Table,
    keys: &[Vec<String>],
    waits: bool,
) -> Result<u64, DbError> {
    let places: Vec<_> = (1..=table.key.len()).map(|at| format!("${at}::text[]")).collect();
    let names: Vec<_> = (1..=table.key.len()).map(|at| format!("k{at}")).collect();
    let same = table.key.iter().zip(&names).map(|(name, key)| {
        format!("{ALIAS}.{} = wanted.{key}::{}", quoted(name), selection::kind(table, name))
    });
    let same = same.collect::<Vec<_>>().join(" AND ");
    let wanted = format!("unnest({}) AS wanted({})", places.join(", "), names.join(", "));
    let sql = match table.declared.action {
        Action::Keep => return Ok(0),
        Action::Delete => format!("DELETE FROM {} {ALIAS} USING {wanted} WHERE {same}", table.sql()),
        Action::Null | Action::Pseudonymise => {
            let blanks = table.erased().map(|it| format!("{} = {}", quoted(&it.name), selection::blank(it)));
            let end = table.declared.end.clone().filter(|_| !waits);
            let set: Vec<_> = blanks.chain(table.declared.set.clone()).chain(end).collect();
            format!("UPDATE {} {ALIAS} SET {} FROM {wanted} WHERE {same}", table.sql(), set.join(", "))
        }
    };
    let query = (0..table.key.len()).fold(sqlx::query(AssertSqlSafe(sql)), |query, at| {
        query.bind(keys.iter().filter_map(|key| key.get(at).cloned()).collect::<Vec<_>>())
    });
    Ok(query.execute(conn).await?.rows_affected())
}
