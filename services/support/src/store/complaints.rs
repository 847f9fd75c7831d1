//! Table `complaints`. Only staff read it, so nothing here takes a `Scope`: customers see the ticket of a complaint.

use chrono::{DateTime, Utc};
use levqor_runtime::db::{DbError, ListTx, Listed, Page, known, one_row};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::domain::complaint::{Complaint, ComplaintId, ComplaintNumber};

/// Stores a complaint. Returns its number.
pub(crate) async fn insert(
    conn: &mut PgConnection,
    complaint: &Complaint,
) -> Result<ComplaintNumber, DbError> {
    let number = sqlx::query_scalar!(
        "INSERT INTO complaints (complaint_id, ticket_id, category, acknowledge_due_time, acknowledge_time,
                                 answer_due_time, create_time)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         RETURNING number",
        complaint.id.as_uuid(),
        complaint.ticket_id.as_uuid(),
        complaint.category.as_str(),
        complaint.acknowledge_due_time,
        complaint.acknowledge_time,
        complaint.answer_due_time,
        complaint.create_time,
    )
    .fetch_one(conn)
    .await?;
    Ok(ComplaintNumber(number))
}

/// Gets one complaint, and locks it until the transaction ends.
pub(crate) async fn lock(conn: &mut PgConnection, id: ComplaintId) -> Result<Option<Complaint>, DbError> {
    let row = sqlx::query_as!(
        Row,
        "SELECT complaint_id, number, ticket_id, category, acknowledge_due_time, acknowledge_time, answer_due_time,
                answer_time, create_time
         FROM complaints WHERE complaint_id = $1 FOR UPDATE",
        id.as_uuid(),
    )
    .fetch_optional(conn)
    .await?;
    row.map(Complaint::try_from).transpose()
}

/// Stores when a complaint got its result.
pub(crate) async fn put_answer(
    conn: &mut PgConnection,
    id: ComplaintId,
    time: DateTime<Utc>,
) -> Result<(), DbError> {
    let put =
        sqlx::query!("UPDATE complaints SET answer_time = $2 WHERE complaint_id = $1", id.as_uuid(), time)
            .execute(conn)
            .await?;
    one_row(&put)
}

/// Marks complaints whose result is newly overdue, and returns them.
pub(crate) async fn mark_overdue(
    conn: &mut PgConnection,
    now: DateTime<Utc>,
    most: i64,
) -> Result<Vec<Complaint>, DbError> {
    let rows = sqlx::query_as!(
        Row,
        "WITH due AS MATERIALIZED (
             SELECT complaint_id FROM complaints
             WHERE answer_due_time <= $1 AND answer_time IS NULL AND overdue_time IS NULL
             ORDER BY answer_due_time
             LIMIT $2
             FOR UPDATE SKIP LOCKED
         )
         UPDATE complaints AS complaint SET overdue_time = $1
         FROM due WHERE complaint.complaint_id = due.complaint_id
         RETURNING complaint.complaint_id, number, ticket_id, category, acknowledge_due_time, acknowledge_time,
                   answer_due_time, answer_time, create_time",
        now,
        most,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(Complaint::try_from).collect()
}

/// The filter of a list.
pub(crate) struct Filter {
    pub(crate) open: bool,
}

/// Lists complaints, newest first: one page and one more complaint.
pub(crate) async fn list(
    tx: &mut ListTx,
    filter: &Filter,
    page: &Page,
) -> Result<Vec<Listed<Complaint>>, DbError> {
    let rows = sqlx::query_as!(
        Row,
        "SELECT complaint_id, number, ticket_id, category, acknowledge_due_time, acknowledge_time, answer_due_time,
                answer_time, create_time
         FROM complaints
         WHERE (NOT $1::boolean OR answer_time IS NULL)
           AND ($2::timestamptz IS NULL OR (create_time, complaint_id) < ($2, $3::uuid))
         ORDER BY create_time DESC, complaint_id DESC
         LIMIT $4",
        filter.open,
        page.after_time(),
        page.after_id(),
        page.limit(),
    )
    .fetch_all(&mut **tx)
    .await?;
    let listed =
        |row: Row| Listed::new("complaints", (row.create_time, row.complaint_id), Complaint::try_from(row));
    Ok(rows.into_iter().map(listed).collect())
}

/// A row as it is stored.
struct Row {
    complaint_id: Uuid,
    number: i64,
    ticket_id: Uuid,
    category: String,
    acknowledge_due_time: DateTime<Utc>,
    acknowledge_time: Option<DateTime<Utc>>,
    answer_due_time: DateTime<Utc>,
    answer_time: Option<DateTime<Utc>>,
    create_time: DateTime<Utc>,
}

impl TryFrom<Row> for Complaint {
    type Error = DbError;

    fn try_from(row: Row) -> Result<Self, DbError> {
        Ok(Self {
            id: row.complaint_id.into(),
            number: ComplaintNumber(row.number),
            ticket_id: row.ticket_id.into(),
            category: known("category", &row.category)?,
            acknowledge_due_time: row.acknowledge_due_time,
            acknowledge_time: row.acknowledge_time,
            answer_due_time: row.answer_due_time,
            answer_time: row.answer_time,
            create_time: row.create_time,
        })
    }
}
