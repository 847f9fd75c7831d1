//! Table `privacy_complaints`. A function that a customer's call can reach takes a `Scope` and puts it into the `WHERE`.

use chrono::{DateTime, Utc};
use levqor_runtime::{
    context::Scope,
    db::{DbError, ListTx, Listed, Page, known, known_if_any, one_row},
    email::Email,
};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::domain::privacy_complaint::{Complaining, ComplaintState, PrivacyComplaint, PrivacyComplaintId};

/// Stores a new complaint. Returns false if there is one with its id.
pub(crate) async fn insert(conn: &mut PgConnection, complaint: &PrivacyComplaint) -> Result<bool, DbError> {
    let stored = sqlx::query!(
        "INSERT INTO privacy_complaints
             (privacy_complaint_id, owner_sub, email, name, text, origin, state, receive_time, acknowledge_due_time, acknowledge_time,
              create_time)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
         ON CONFLICT ON CONSTRAINT privacy_complaints_pkey DO NOTHING",
        complaint.id.as_uuid(),
        complaint.of.owner_sub,
        complaint.of.email.as_ref().map(Email::as_str),
        complaint.of.name,
        complaint.of.text,
        complaint.origin.as_str(),
        complaint.state.as_str(),
        complaint.receive_time,
        complaint.due_time,
        complaint.acknowledge_time,
        complaint.create_time,
    )
    .execute(conn)
    .await?;
    Ok(stored.rows_affected() == 1)
}

/// Saves a complaint that is locked.
pub(crate) async fn update(conn: &mut PgConnection, complaint: &PrivacyComplaint) -> Result<(), DbError> {
    let saved = sqlx::query!(
        "UPDATE privacy_complaints
         SET state = $2, outcome = $3, acknowledge_time = $4, answer_time = $5, progress_time = $6
         WHERE privacy_complaint_id = $1",
        complaint.id.as_uuid(),
        complaint.state.as_str(),
        complaint.outcome,
        complaint.acknowledge_time,
        complaint.answer_time,
        complaint.progress_time,
    )
    .execute(conn)
    .await?;
    one_row(&saved)
}

/// Gets one complaint, if the scope may see it.
pub(crate) async fn get(
    conn: &mut PgConnection,
    scope: &Scope,
    id: PrivacyComplaintId,
) -> Result<Option<PrivacyComplaint>, DbError> {
    sqlx::query_as!(
        Row,
        "SELECT privacy_complaint_id, owner_sub, email, name, text, outcome, origin, state, receive_time, acknowledge_due_time, alerts,
                acknowledge_time, progress_time, answer_time, create_time
         FROM privacy_complaints
         WHERE privacy_complaint_id = $4
           AND ($1::boolean OR owner_sub = $2 OR (owner_sub IS NULL AND email = $3))",
        scope.is_all(),
        scope.sub(),
        scope.email(),
        id.as_uuid(),
    )
    .fetch_optional(conn)
    .await?
    .map(PrivacyComplaint::try_from)
    .transpose()
}

/// Gets one complaint for staff, and locks it until the transaction ends.
pub(crate) async fn lock(
    conn: &mut PgConnection,
    id: PrivacyComplaintId,
) -> Result<Option<PrivacyComplaint>, DbError> {
    sqlx::query_as!(
        Row,
        "SELECT privacy_complaint_id, owner_sub, email, name, text, outcome, origin, state, receive_time, acknowledge_due_time, alerts,
                acknowledge_time, progress_time, answer_time, create_time
         FROM privacy_complaints
         WHERE privacy_complaint_id = $1
         FOR UPDATE",
        id.as_uuid(),
    )
    .fetch_optional(conn)
    .await?
    .map(PrivacyComplaint::try_from)
    .transpose()
}

/// The filter of a list.
pub(crate) struct Filter {
    pub(crate) state: Option<ComplaintState>,
    pub(crate) email: Option<Email>,
}

/// Lists the complaints that the scope may see, newest first: one page and one more complaint.
pub(crate) async fn list(
    tx: &mut ListTx,
    scope: &Scope,
    filter: &Filter,
    page: &Page,
) -> Result<Vec<Listed<PrivacyComplaint>>, DbError> {
    // Three branches; the scope enables one or two of them. Each uses its own index in the order of the page.
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT privacy_complaint_id AS "privacy_complaint_id!", owner_sub, email, name AS "name!", text AS "text!", outcome,
                  origin AS "origin!", state AS "state!", receive_time AS "receive_time!",
                  acknowledge_due_time AS "acknowledge_due_time!", alerts AS "alerts!", acknowledge_time, progress_time, answer_time,
                  create_time AS "create_time!"
           FROM (
               (SELECT * FROM privacy_complaints
                WHERE $1::boolean
                  AND ($4::text IS NULL OR state = $4) AND ($8::text IS NULL OR email = $8)
                  AND ($5::timestamptz IS NULL OR (create_time, privacy_complaint_id) < ($5, $6::uuid))
                ORDER BY create_time DESC, privacy_complaint_id DESC
                LIMIT $7)
               UNION ALL
               (SELECT * FROM privacy_complaints
                WHERE NOT $1 AND owner_sub = $2
                  AND ($4 IS NULL OR state = $4) AND ($8 IS NULL OR email = $8)
                  AND ($5 IS NULL OR (create_time, privacy_complaint_id) < ($5, $6))
                ORDER BY create_time DESC, privacy_complaint_id DESC
                LIMIT $7)
               UNION ALL
               (SELECT * FROM privacy_complaints
                WHERE NOT $1 AND owner_sub IS NULL AND email = $3
                  AND ($4 IS NULL OR state = $4) AND ($8 IS NULL OR email = $8)
                  AND ($5 IS NULL OR (create_time, privacy_complaint_id) < ($5, $6))
                ORDER BY create_time DESC, privacy_complaint_id DESC
                LIMIT $7)
           ) AS seen
           ORDER BY create_time DESC, privacy_complaint_id DESC
           LIMIT $7"#,
        scope.is_all(),
        scope.sub(),
        scope.email(),
        filter.state.map(ComplaintState::as_str),
        page.after_time(),
        page.after_id(),
        page.limit(),
        filter.email.as_ref().map(Email::as_str),
    )
    .fetch_all(&mut **tx)
    .await?;
    let listed = |row: Row| {
        let place = (row.create_time, row.privacy_complaint_id);
        Listed::new("privacy_complaints", place, PrivacyComplaint::try_from(row))
    };
    Ok(rows.into_iter().map(listed).collect())
}

/// Takes a lock on an address until the transaction ends, so that two transactions do not count its complaints at the same time.
pub(crate) async fn hold_address(conn: &mut PgConnection, email: &Email) -> Result<(), DbError> {
    sqlx::query!(
        "SELECT pg_advisory_xact_lock(hashtextextended('privacy complaint of ' || $1::text, 0))",
        email.as_str()
    )
    .fetch_one(conn)
    .await?;
    Ok(())
}

/// How many complaints of support's form were acknowledged by mail at an address since this time.
pub(crate) async fn count_mailed(
    conn: &mut PgConnection,
    email: &Email,
    since: DateTime<Utc>,
) -> Result<i64, DbError> {
    Ok(sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM (
               SELECT FROM privacy_complaints
               WHERE email = $1 AND create_time > $2 AND origin = 'SUPPORT' AND acknowledge_time IS NOT NULL
               LIMIT 1000
           ) AS recent"#,
        email.as_str(),
        since,
    )
    .fetch_one(conn)
    .await?)
}

/// A complaint, for a notice to operators about its 30 days.
pub(crate) struct Alert {
    pub(crate) id: PrivacyComplaintId,
    /// How many of these shares of the time are over: 50, 80, 95 and 100 %.
    pub(crate) alerts: i32,
    pub(crate) due_time: DateTime<Utc>,
    pub(crate) is_acknowledged: bool,
}

/// Stores, for the complaints without an outcome, which shares of their 30 days are over. Returns those for which another share has
/// ended.
pub(crate) async fn alert(conn: &mut PgConnection, now: DateTime<Utc>) -> Result<Vec<Alert>, DbError> {
    Ok(sqlx::query_as!(
        Alert,
        r#"UPDATE privacy_complaints AS complaint
           SET alerts = over.alerts
           FROM (
               SELECT privacy_complaint_id, (share >= 0.5)::integer + (share >= 0.8)::integer + (share >= 0.95)::integer
                      + (share >= 1)::integer AS alerts
               FROM (
                   SELECT privacy_complaint_id,
                          extract(epoch FROM $1::timestamptz - receive_time) / extract(epoch FROM acknowledge_due_time - receive_time) AS share
                   FROM privacy_complaints
                   WHERE state <> 'ANSWERED'
                   ORDER BY acknowledge_due_time
                   LIMIT 10000
               ) AS open
           ) AS over
           WHERE over.privacy_complaint_id = complaint.privacy_complaint_id AND over.alerts > complaint.alerts
             AND complaint.state <> 'ANSWERED'
           RETURNING complaint.privacy_complaint_id AS id, complaint.alerts, complaint.acknowledge_due_time AS due_time,
                     complaint.acknowledge_time IS NOT NULL AS "is_acknowledged!""#,
        now,
    )
    .fetch_all(conn)
    .await?)
}

/// The complaints without an outcome of these people. A complaint from support's form without an account does not count: its address is
/// not proven.
pub(crate) async fn open_of(
    conn: &mut PgConnection,
    subs: &[String],
    emails: &[String],
) -> Result<Vec<PrivacyComplaintId>, DbError> {
    let ids = sqlx::query_scalar!(
        r#"SELECT privacy_complaint_id AS "privacy_complaint_id!" FROM (
               (SELECT privacy_complaint_id, state FROM privacy_complaints WHERE owner_sub = ANY($1))
               UNION ALL
               (SELECT privacy_complaint_id, state FROM privacy_complaints
                WHERE owner_sub IS NULL AND email = ANY($2) AND origin <> 'SUPPORT')
           ) AS theirs
           WHERE state <> 'ANSWERED'
           ORDER BY privacy_complaint_id
           LIMIT 100"#,
        subs,
        emails,
    )
    .fetch_all(conn)
    .await?;
    Ok(ids.into_iter().map(Into::into).collect())
}

/// The complaints without an outcome.
pub(crate) struct Open {
    pub(crate) count: i64,
    /// Those that should have been acknowledged.
    pub(crate) overdue: i64,
}

/// Counts the complaints without an outcome, up to 1,000.
pub(crate) async fn open(conn: &mut PgConnection) -> Result<Open, DbError> {
    let open = sqlx::query!(
        r#"SELECT count(*) AS "count!",
                  count(*) FILTER (WHERE state = 'RECEIVED' AND acknowledge_due_time < runtime.now()) AS "overdue!"
           FROM (SELECT state, acknowledge_due_time FROM privacy_complaints WHERE state <> 'ANSWERED'
                 ORDER BY acknowledge_due_time LIMIT 1000) AS open"#
    )
    .fetch_one(conn)
    .await?;
    Ok(Open { count: open.count, overdue: open.overdue })
}

/// A row as it is stored.
struct Row {
    privacy_complaint_id: Uuid,
    owner_sub: Option<String>,
    email: Option<String>,
    name: String,
    text: String,
    outcome: Option<String>,
    origin: String,
    state: String,
    receive_time: DateTime<Utc>,
    acknowledge_due_time: DateTime<Utc>,
    alerts: i32,
    acknowledge_time: Option<DateTime<Utc>>,
    progress_time: Option<DateTime<Utc>>,
    answer_time: Option<DateTime<Utc>>,
    create_time: DateTime<Utc>,
}

impl TryFrom<Row> for PrivacyComplaint {
    type Error = DbError;

    fn try_from(row: Row) -> Result<Self, DbError> {
        Ok(Self {
            id: row.privacy_complaint_id.into(),
            of: Complaining {
                owner_sub: row.owner_sub,
                email: known_if_any("email", row.email.as_deref())?,
                name: row.name,
                text: row.text,
            },
            outcome: row.outcome,
            origin: known("origin", &row.origin)?,
            state: known("state", &row.state)?,
            receive_time: row.receive_time,
            due_time: row.acknowledge_due_time,
            alerts: row.alerts,
            acknowledge_time: row.acknowledge_time,
            progress_time: row.progress_time,
            answer_time: row.answer_time,
            create_time: row.create_time,
        })
    }
}
