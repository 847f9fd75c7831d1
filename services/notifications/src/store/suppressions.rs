//! Table `suppressions`: the addresses that must not get mail.

use chrono::{DateTime, Utc};
use levqor_runtime::{
    db::{DbError, ListTx, Listed, Page, known, known_if_any},
    email::Email,
};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::domain::{
    address::AddressHash,
    suppression::{Suppression, SuppressionId, SuppressionReason},
};

/// Locks an address until the transaction ends: its suppressions and permissions do not change meanwhile.
pub(crate) async fn hold(conn: &mut PgConnection, recipient: &AddressHash) -> Result<(), DbError> {
    sqlx::query!(
        r#"SELECT pg_advisory_xact_lock(hashtextextended('recipient ' || encode($1, 'hex'), 0)) AS "held""#,
        recipient.as_bytes(),
    )
    .fetch_one(conn)
    .await?;
    Ok(())
}

/// The reasons of an address, each with the time when it ends by itself. The caller holds the address.
pub(crate) async fn of_address(
    conn: &mut PgConnection,
    recipient: &AddressHash,
) -> Result<Vec<(SuppressionReason, Option<DateTime<Utc>>)>, DbError> {
    let rows = sqlx::query!(
        "SELECT reason, until_time FROM suppressions WHERE recipient_hash = $1",
        recipient.as_bytes(),
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(|row| Ok((known("reason", &row.reason)?, row.until_time))).collect()
}

/// Ends the suppressions that the recipient caused by an objection or a complaint: the recipient agreed after
/// it. The caller holds the address.
pub(crate) async fn end_by_consent(
    conn: &mut PgConnection,
    recipient: &AddressHash,
    agree_time: DateTime<Utc>,
) -> Result<(), DbError> {
    sqlx::query!(
        "DELETE FROM suppressions
         WHERE recipient_hash = $1 AND create_time <= $2
           AND (reason IN ('OBJECTION', 'COMPLAINT')
                -- An erasure ended the restriction, and took the address.
                OR (reason = 'RESTRICTION' AND NOT EXISTS (
                    SELECT FROM runtime.holds AS held
                    WHERE held.email = suppressions.recipient AND held.kind = 'RESTRICTION' AND held.stands
                )))",
        recipient.as_bytes(),
        agree_time,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Ends the suppression that an objection caused: the person does not object any more. The caller holds the address.
pub(crate) async fn end_objection(conn: &mut PgConnection, recipient: &AddressHash) -> Result<(), DbError> {
    sqlx::query!(
        "DELETE FROM suppressions WHERE recipient_hash = $1 AND reason = 'OBJECTION'",
        recipient.as_bytes(),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Ends the suppression that a restriction caused: the restriction has ended. The caller holds the address.
pub(crate) async fn end_restriction(conn: &mut PgConnection, recipient: &AddressHash) -> Result<(), DbError> {
    sqlx::query!(
        "DELETE FROM suppressions WHERE recipient_hash = $1 AND reason = 'RESTRICTION'",
        recipient.as_bytes(),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// A suppression to store.
pub(crate) struct NewSuppression<'a> {
    pub(crate) id: SuppressionId,
    pub(crate) recipient: Option<&'a Email>,
    pub(crate) recipient_hash: AddressHash,
    pub(crate) reason: SuppressionReason,
    pub(crate) evidence: &'a str,
    pub(crate) create_time: DateTime<Utc>,
    pub(crate) until_time: Option<DateTime<Utc>>,
}

/// Stores a suppression. One with the same address and reason gets the new evidence and end. The caller holds the address.
pub(crate) async fn put(
    conn: &mut PgConnection,
    suppression: &NewSuppression<'_>,
) -> Result<Suppression, DbError> {
    let row = sqlx::query_as!(
        Row,
        "INSERT INTO suppressions (suppression_id, recipient_hash, recipient, reason, evidence, create_time, until_time)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT ON CONSTRAINT suppressions_address_reason DO UPDATE
         SET recipient = excluded.recipient, evidence = excluded.evidence, until_time = excluded.until_time,
             create_time = greatest(suppressions.create_time, excluded.create_time)
         RETURNING suppression_id, recipient, reason, evidence, create_time, until_time",
        suppression.id.as_uuid(),
        suppression.recipient_hash.as_bytes(),
        suppression.recipient.map(Email::as_str),
        suppression.reason.as_str(),
        suppression.evidence,
        suppression.create_time,
        suppression.until_time,
    )
    .fetch_one(conn)
    .await?;
    row.try_into()
}

/// Removes a suppression, and returns it. None if there is no such suppression.
pub(crate) async fn remove(
    conn: &mut PgConnection,
    id: SuppressionId,
) -> Result<Option<Suppression>, DbError> {
    let row = sqlx::query_as!(
        Row,
        "DELETE FROM suppressions WHERE suppression_id = $1
         RETURNING suppression_id, recipient, reason, evidence, create_time, until_time",
        id.as_uuid(),
    )
    .fetch_optional(conn)
    .await?;
    row.map(Suppression::try_from).transpose()
}

/// The suppressions to list. An empty filter field matches all.
pub(crate) struct Filter {
    pub(crate) recipient: Option<Email>,
    pub(crate) reason: Option<SuppressionReason>,
}

/// A page of suppressions, newest first, and one more if there is a next page.
pub(crate) async fn list(
    tx: &mut ListTx,
    recipient: Option<&AddressHash>,
    filter: &Filter,
    page: &Page,
) -> Result<Vec<Listed<Suppression>>, DbError> {
    let rows = sqlx::query_as!(
        Row,
        "SELECT suppression_id, recipient, reason, evidence, create_time, until_time
         FROM suppressions
         WHERE ($1::bytea IS NULL OR recipient_hash = $1)
           AND ($2::text IS NULL OR reason = $2)
           AND ($3::timestamptz IS NULL OR (create_time, suppression_id) < ($3, $4::uuid))
         ORDER BY create_time DESC, suppression_id DESC
         LIMIT $5",
        recipient.map(AddressHash::as_bytes),
        filter.reason.map(SuppressionReason::as_str),
        page.after_time(),
        page.after_id(),
        page.limit(),
    )
    .fetch_all(&mut **tx)
    .await?;
    let listed = |row: Row| {
        let place = (row.create_time, row.suppression_id);
        Listed::new("suppressions", place, Suppression::try_from(row))
    };
    Ok(rows.into_iter().map(listed).collect())
}

struct Row {
    suppression_id: Uuid,
    recipient: Option<String>,
    reason: String,
    evidence: String,
    create_time: DateTime<Utc>,
    until_time: Option<DateTime<Utc>>,
}

impl TryFrom<Row> for Suppression {
    type Error = DbError;

    fn try_from(row: Row) -> Result<Self, DbError> {
        Ok(Self {
            id: row.suppression_id.into(),
            recipient: known_if_any("recipient", row.recipient.as_deref())?,
            reason: known("reason", &row.reason)?,
            evidence: row.evidence,
            create_time: row.create_time,
            until_time: row.until_time,
        })
    }
}
