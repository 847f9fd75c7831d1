//! Table `leads`. Only staff read it, so nothing here takes a `Scope`.

use chrono::{DateTime, Utc};
use levqor_runtime::db::{DbError, ListTx, Listed, Page, known, one_row};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::domain::lead::{Lead, LeadId, LeadKind};

/// Stores a lead. `next_step` is the first step of its flow, if it has one.
pub(crate) async fn insert(
    conn: &mut PgConnection,
    lead: &Lead,
    next_step: Option<i32>,
) -> Result<(), DbError> {
    sqlx::query!(
        "INSERT INTO leads (lead_id, kind, email, name, phone, company, message, details, source, score,
                            marketing_consent, next_step, create_time)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
        lead.id.as_uuid(),
        lead.kind.as_str(),
        lead.email.as_str(),
        lead.name,
        lead.phone,
        lead.company,
        lead.message,
        lead.details,
        lead.source,
        lead.score,
        lead.marketing_consent,
        next_step,
        lead.create_time,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// How many leads an address has since this time.
pub(crate) async fn count_since(
    conn: &mut PgConnection,
    email: &str,
    since: DateTime<Utc>,
) -> Result<i64, DbError> {
    Ok(sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM (
               SELECT FROM leads WHERE email = $1 AND create_time > $2 LIMIT 1000
           ) AS recent"#,
        email,
        since,
    )
    .fetch_one(conn)
    .await?)
}

/// Gets a lead whose flow waits for this step, and locks it until the transaction ends.
pub(crate) async fn lock_at_step(
    conn: &mut PgConnection,
    id: LeadId,
    step: i32,
) -> Result<Option<Lead>, DbError> {
    let row = sqlx::query_as!(
        Row,
        "SELECT lead_id, kind, email, name, phone, company, message, details, source, score, marketing_consent, create_time
         FROM leads WHERE lead_id = $1 AND next_step = $2 FOR UPDATE",
        id.as_uuid(),
        step,
    )
    .fetch_optional(conn)
    .await?;
    row.map(Lead::try_from).transpose()
}

/// Takes away the scores of an address: the person objects to profiling.
pub(crate) async fn forget_scores(conn: &mut PgConnection, email: &str) -> Result<(), DbError> {
    sqlx::query!("UPDATE leads SET score = NULL WHERE email = $1 AND score IS NOT NULL", email)
        .execute(conn)
        .await?;
    Ok(())
}

/// The address of a lead.
pub(crate) async fn email(conn: &mut PgConnection, id: LeadId) -> Result<Option<String>, DbError> {
    Ok(sqlx::query_scalar!("SELECT email FROM leads WHERE lead_id = $1", id.as_uuid())
        .fetch_optional(conn)
        .await?)
}

/// Stores the next step of a flow, or why it ended.
pub(crate) async fn put_step(
    conn: &mut PgConnection,
    id: LeadId,
    next_step: Option<i32>,
    flow_end: Option<&str>,
) -> Result<(), DbError> {
    let put = sqlx::query!(
        "UPDATE leads SET next_step = $2, flow_end = $3 WHERE lead_id = $1",
        id.as_uuid(),
        next_step,
        flow_end,
    )
    .execute(conn)
    .await?;
    one_row(&put)
}

/// The filter of a list.
pub(crate) struct Filter {
    pub(crate) kind: Option<LeadKind>,
}

/// Lists leads, newest first: one page and one more lead.
pub(crate) async fn list(
    tx: &mut ListTx,
    filter: &Filter,
    page: &Page,
) -> Result<Vec<Listed<Lead>>, DbError> {
    let rows = sqlx::query_as!(
        Row,
        "SELECT lead_id, kind, email, name, phone, company, message, details, source, score, marketing_consent, create_time
         FROM leads
         WHERE ($1::text IS NULL OR kind = $1)
           AND ($2::timestamptz IS NULL OR (create_time, lead_id) < ($2, $3::uuid))
         ORDER BY create_time DESC, lead_id DESC
         LIMIT $4",
        filter.kind.map(LeadKind::as_str),
        page.after_time(),
        page.after_id(),
        page.limit(),
    )
    .fetch_all(&mut **tx)
    .await?;
    let listed = |row: Row| Listed::new("leads", (row.create_time, row.lead_id), Lead::try_from(row));
    Ok(rows.into_iter().map(listed).collect())
}

/// A row as it is stored.
struct Row {
    lead_id: Uuid,
    kind: String,
    email: String,
    name: String,
    phone: String,
    company: String,
    message: String,
    details: String,
    source: String,
    score: Option<i32>,
    marketing_consent: bool,
    create_time: DateTime<Utc>,
}

impl TryFrom<Row> for Lead {
    type Error = DbError;

    fn try_from(row: Row) -> Result<Self, DbError> {
        Ok(Self {
            id: row.lead_id.into(),
            kind: known("kind", &row.kind)?,
            email: known("email", &row.email)?,
            name: row.name,
            phone: row.phone,
            company: row.company,
            message: row.message,
            details: row.details,
            source: row.source,
            score: row.score,
            marketing_consent: row.marketing_consent,
            create_time: row.create_time,
        })
    }
}

/// Takes a lock on an address until the transaction ends: its leads are counted one after the other.
pub(crate) async fn hold(conn: &mut PgConnection, email: &str) -> Result<(), DbError> {
    sqlx::query!("SELECT pg_advisory_xact_lock(hashtextextended('lead of ' || $1::text, 0))", email)
        .fetch_one(conn)
        .await?;
    Ok(())
}
