//! Reads entries of the chain, newest first. People see the entries of all services as one list, sorted by time and then by id.

use chrono::{DateTime, Utc};
use ring::digest::{SHA256, digest};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::db::DbError;

/// The filter of a read. `None` filters nothing.
#[derive(Debug, Default)]
pub(crate) struct Filter {
    pub(crate) actor_sub: Option<String>,
    pub(crate) action: Option<String>,
    /// The id of something that the entry names.
    pub(crate) about_id: Option<String>,
    pub(crate) from: Option<DateTime<Utc>>,
    pub(crate) until: Option<DateTime<Utc>>,
}

/// An entry.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) sequence: i64,
    pub(crate) record_time: DateTime<Utc>,
    pub(crate) actor: String,
    pub(crate) action: String,
    pub(crate) ids: serde_json::Value,
}

/// The id of an entry: one half identifies the service, the other half is the sequence number.
pub(crate) fn id(service: &str, sequence: i64) -> Uuid {
    Uuid::from_u64_pair(half(service), sequence.cast_unsigned())
}

/// Compares a chain with an entry of the same instant: the chain's entries below this sequence number come after it in the list of all
/// chains.
pub(crate) fn bound(service: &str, after: Uuid) -> i64 {
    let (other, sequence) = after.as_u64_pair();
    match half(service).cmp(&other) {
        std::cmp::Ordering::Less => i64::MAX,
        std::cmp::Ordering::Equal => sequence.cast_signed(),
        std::cmp::Ordering::Greater => 0,
    }
}

fn half(service: &str) -> u64 {
    let hash = digest(&SHA256, service.as_bytes());
    hash.as_ref().first_chunk().copied().map_or(0, u64::from_be_bytes)
}

/// Reads the entries after a place in the list: an instant, and the bound of this chain.
pub(crate) async fn read(
    conn: &mut PgConnection,
    filter: &Filter,
    after: Option<(DateTime<Utc>, i64)>,
    limit: i64,
) -> Result<Vec<Entry>, DbError> {
    let (after_time, after_sequence) = after.unzip();
    Ok(sqlx::query_as!(
        Entry,
        "SELECT sequence, record_time, actor, action, ids
         FROM runtime.audit_entries
         WHERE ($1::text IS NULL
                OR actor IN (SELECT pseudonym FROM runtime.audit_actors WHERE sub = $1))
           AND ($2::text IS NULL OR action = $2)
           AND ($3::text IS NULL OR EXISTS (SELECT FROM jsonb_each_text(ids) WHERE position($3 IN value) > 0))
           AND record_time >= coalesce($4::timestamptz, '-infinity') AND record_time < coalesce($5::timestamptz, 'infinity')
           AND (record_time, sequence) < (coalesce($6::timestamptz, 'infinity'), coalesce($7::bigint, 0))
         ORDER BY record_time DESC, sequence DESC
         LIMIT $8",
        filter.actor_sub.as_deref(),
        filter.action.as_deref(),
        filter.about_id.as_deref(),
        filter.from,
        filter.until,
        after_time,
        after_sequence,
        limit,
    )
    .fetch_all(conn)
    .await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_entries_of_one_instant_in_several_chains_are_listed_once() {
        let services = ["billing", "compliance", "notifications", "support"];
        let mut all: Vec<_> = services
            .iter()
            .flat_map(|name| (1..=3).map(|sequence| (id(name, sequence), *name, sequence)))
            .collect();
        all.sort_unstable_by(|one, other| other.cmp(one));
        for (place, after) in all.iter().enumerate() {
            for (later, (_, service, sequence)) in all.iter().enumerate() {
                assert_eq!(
                    *sequence < bound(service, after.0),
                    later > place,
                    "{service} {sequence} after {after:?}"
                );
            }
        }
    }
}
