//! The audit chain: who did what to which ids. The hash of each entry covers the entry before it. An entry is written in the
//! transaction that it records. People have pseudonyms in it.

pub(crate) mod entries;
pub(crate) mod reads;

use std::collections::BTreeMap;

use futures_util::TryStreamExt;
use sqlx::{Connection, PgConnection};

use self::entries::Entry;
use crate::{
    context::{Actor, Role},
    db::{DbError, Tx, hash_of_parts},
    fail_point,
};

/// Appends an entry. Call it last before the commit: it holds the chain's lock until then. `ids` are names of things,
/// never personal data. The time of the entry is the time of the transaction. It may be earlier than the time of the previous entry,
/// because the transaction may have waited for the lock.
pub async fn append(tx: &mut Tx, actor: &Actor, action: &str, ids: &[(&str, &str)]) -> Result<(), DbError> {
    // Queried before the lock: other appends wait for every query after the lock.
    let now = tx.now().await?;
    let head = sqlx::query!("SELECT sequence, hash FROM runtime.audit_head WHERE singleton FOR UPDATE")
        .fetch_one(&mut **tx)
        .await?;
    let ids: BTreeMap<&str, &str> = ids.iter().copied().collect();
    let ids = serde_json::json!(ids);
    let (actor, sub) = match actor {
        Actor::User(user) => {
            (format!("{}:{}", role(user.role), tx.pseudonyms().of(&user.sub)), Some(user.sub.as_str()))
        }
        Actor::Service(_) | Actor::Anonymous => (actor.name(), None),
    };
    let entry =
        Entry { sequence: head.sequence + 1, record_time: now, actor, action: action.to_owned(), ids };
    let hash = entry.hash(&head.hash);
    sqlx::query!(
        "WITH head AS (UPDATE runtime.audit_head SET sequence = $1, hash = $7 WHERE singleton),
         named AS (INSERT INTO runtime.audit_actors (pseudonym, sub) SELECT $3, $8 WHERE $8::text IS NOT NULL
                   ON CONFLICT (pseudonym) DO NOTHING)
         INSERT INTO runtime.audit_entries (sequence, record_time, actor, action, ids, previous_hash, hash)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        entry.sequence,
        entry.record_time,
        entry.actor,
        entry.action,
        entry.ids,
        head.hash,
        hash,
        sub,
    )
    .execute(&mut **tx)
    .await?;
    fail_point::AUDIT_APPENDED.reached();
    Ok(())
}

/// The name of a role in the chain. It is part of the hash, so it never changes.
fn role(role: Role) -> &'static str {
    match role {
        Role::Customer => "customer",
        Role::Staff => "staff",
        Role::Admin => "admin",
    }
}

/// Deletes the link between a person and their pseudonyms. Returns the number of pseudonyms. The chain stays whole, and then shows only the
/// person's role.
pub async fn forget(conn: &mut PgConnection, sub: &str) -> Result<u64, DbError> {
    let forgotten =
        sqlx::query!("DELETE FROM runtime.audit_actors WHERE sub = $1", sub).execute(conn).await?;
    Ok(forgotten.rows_affected())
}

/// The result of the verification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chain {
    /// All hashes are right, and the head is the last entry.
    Whole {
        /// The number of entries.
        entries: i64,
    },
    /// An entry is missing, or has a wrong hash.
    Broken {
        /// The sequence number of the first such entry.
        sequence: i64,
    },
}

/// Verifies the whole chain, from its first entry to its head.
pub async fn verify(conn: &mut PgConnection) -> Result<Chain, DbError> {
    // One snapshot for entries and head. Otherwise a concurrent new entry would look like a broken chain.
    let mut snapshot = conn.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
    let conn = &mut *snapshot;
    let mut rows = sqlx::query!(
        "SELECT sequence, record_time, actor, action, ids, previous_hash, hash
         FROM runtime.audit_entries ORDER BY sequence"
    )
    .fetch(&mut *conn);
    let (mut sequence, mut hash) = (0, Vec::new());
    while let Some(row) = rows.try_next().await? {
        let entry = Entry {
            sequence: row.sequence,
            record_time: row.record_time,
            actor: row.actor,
            action: row.action,
            ids: row.ids,
        };
        if entry.sequence != sequence + 1 || row.previous_hash != hash || row.hash != entry.hash(&hash) {
            return Ok(Chain::Broken { sequence: sequence + 1 });
        }
        (sequence, hash) = (entry.sequence, row.hash);
    }
    drop(rows);
    let head =
        sqlx::query!("SELECT sequence, hash FROM runtime.audit_head WHERE singleton").fetch_one(conn).await?;
    if head.sequence != sequence || head.hash != hash {
        return Ok(Chain::Broken { sequence: sequence + 1 });
    }
    Ok(Chain::Whole { entries: sequence })
}

/// The hash of an entry. `None` if the chain has no such entry. The hash before the first entry is empty.
pub(crate) async fn hash_of(conn: &mut PgConnection, sequence: i64) -> Result<Option<Vec<u8>>, DbError> {
    if sequence == 0 {
        return Ok(Some(Vec::new()));
    }
    Ok(sqlx::query_scalar!("SELECT hash FROM runtime.audit_entries WHERE sequence = $1", sequence)
        .fetch_optional(conn)
        .await?)
}

impl Entry {
    /// The hash over the previous hash and each part.
    fn hash(&self, previous: &[u8]) -> Vec<u8> {
        let sequence = self.sequence.to_be_bytes();
        let time = self.record_time.timestamp_micros().to_be_bytes();
        // JSONB does not keep the order of keys.
        let sorted: BTreeMap<_, _> = self.ids.as_object().into_iter().flatten().collect();
        let ids = serde_json::json!(sorted).to_string();
        let (actor, action) = (self.actor.as_bytes(), self.action.as_bytes());
        hash_of_parts([previous, &sequence, &time, actor, action, ids.as_bytes()]).to_vec()
    }
}
