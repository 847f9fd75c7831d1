//! Table `operator_notices`: the notices to operators, and how often each fact happened.

use chrono::{DateTime, Utc};
use levqor_runtime::db::{DbError, ListTx, Listed, Page, known};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::domain::{
    operator_notice::{Fact, NoticeId, NoticeKind, NoticeState, Repeats, Severity, Told},
    reference::About,
};

/// A notice, as staff see it.
pub(crate) struct Notice {
    pub(crate) id: NoticeId,
    pub(crate) kind: NoticeKind,
    pub(crate) severity: Severity,
    pub(crate) about: String,
    pub(crate) text: String,
    pub(crate) link: String,
    pub(crate) source: String,
    pub(crate) times: i32,
    pub(crate) create_time: DateTime<Utc>,
    pub(crate) last_report_time: DateTime<Utc>,
    pub(crate) end_time: Option<DateTime<Utc>>,
}

/// Takes a lock on a kind and subject matter until the transaction ends, so that a notice and its end are stored one after the
/// other.
pub(crate) async fn hold(conn: &mut PgConnection, kind: NoticeKind, about: &About) -> Result<(), DbError> {
    sqlx::query!(
        r#"SELECT pg_advisory_xact_lock(hashtextextended('operator_notice ' || $1 || ' ' || $2, 0)) AS "held""#,
        kind.as_str(),
        about.as_str(),
    )
    .fetch_one(conn)
    .await?;
    Ok(())
}

/// When this was last over.
pub(crate) async fn last_end(
    conn: &mut PgConnection,
    kind: NoticeKind,
    about: &About,
) -> Result<Option<DateTime<Utc>>, DbError> {
    let end = sqlx::query_scalar!(
        r#"SELECT end_time AS "end_time!" FROM operator_notices
           WHERE kind = $1 AND about = $2 AND end_time IS NOT NULL ORDER BY end_time DESC LIMIT 1"#,
        kind.as_str(),
        about.as_str(),
    )
    .fetch_optional(conn)
    .await?;
    Ok(end)
}

/// Stores a notice, or counts the fact in the open one. Returns the notice, and whether it is new.
pub(crate) async fn report(
    conn: &mut PgConnection,
    id: NoticeId,
    fact: &Fact,
    source: &str,
    now: DateTime<Utc>,
) -> Result<(NoticeId, bool), DbError> {
    let row = sqlx::query!(
        r#"INSERT INTO operator_notices AS n (operator_notice_id, kind, severity, about, text, link, source, times,
                                              create_time, last_report_time)
           VALUES ($1, $2, $3, $4, $5, $6, $7, 1, $8, $8)
           ON CONFLICT (kind, about) WHERE end_time IS NULL DO UPDATE
           SET times = n.times + 1, last_report_time = excluded.last_report_time
           RETURNING operator_notice_id, times = 1 AS "is_new!""#,
        id.as_uuid(),
        fact.kind.as_str(),
        fact.severity.as_str(),
        fact.about.as_str(),
        fact.text.as_str(),
        fact.link.as_ref().map_or("", |link| link.as_str()),
        source,
        now,
    )
    .fetch_one(conn)
    .await?;
    Ok((row.operator_notice_id.into(), row.is_new))
}

/// Ends the open notice. Returns none if no notice was open.
pub(crate) async fn end(
    conn: &mut PgConnection,
    kind: NoticeKind,
    about: &About,
    end_time: DateTime<Utc>,
) -> Result<Option<NoticeId>, DbError> {
    let id = sqlx::query_scalar!(
        "UPDATE operator_notices SET end_time = $3
         WHERE kind = $1 AND about = $2 AND end_time IS NULL
         RETURNING operator_notice_id",
        kind.as_str(),
        about.as_str(),
        end_time,
    )
    .fetch_optional(conn)
    .await?;
    Ok(id.map(NoticeId::from))
}

/// Stores an end that came before its notice.
pub(crate) async fn insert_end(
    conn: &mut PgConnection,
    id: NoticeId,
    kind: NoticeKind,
    about: &About,
    source: &str,
    end_time: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<(), DbError> {
    sqlx::query!(
        "INSERT INTO operator_notices (operator_notice_id, kind, severity, about, text, source, times, create_time,
                                       last_report_time, end_time)
         VALUES ($1, $2, 'INFO', $3, '', $4, 0, $5, $5, $6)",
        id.as_uuid(),
        kind.as_str(),
        about.as_str(),
        source,
        now,
        end_time,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// A notice in the form that a channel shows, and how often the same fact has happened.
pub(crate) async fn told(conn: &mut PgConnection, id: NoticeId) -> Result<Option<(Told, Repeats)>, DbError> {
    let row = sqlx::query!(
        r#"SELECT n.kind AS "kind!", n.severity AS "severity!", n.text AS "text!", n.link AS "link!",
                  (n.times - 1 + coalesce(sum(e.times), 0))::integer AS "repeats!",
                  least(n.create_time, min(e.create_time)) AS "first_time!"
           FROM operator_notices n
           LEFT JOIN operator_notices e
             ON e.kind = n.kind AND e.about = n.about AND e.end_time IS NOT NULL AND e.times > 0
                AND e.create_time < n.create_time
           WHERE n.operator_notice_id = $1
           GROUP BY n.operator_notice_id"#,
        id.as_uuid(),
    )
    .fetch_optional(conn)
    .await?;
    row.map(|row| {
        let repeats = Repeats { first_time: row.first_time, count: row.repeats };
        let (kind, severity) = (known("kind", &row.kind)?, known("severity", &row.severity)?);
        Ok((Told::new(kind, severity, row.text, row.link, &repeats), repeats))
    })
    .transpose()
}

/// The newest open notices that a person has to look at: kind, subject matter, and how often each was reported.
pub(crate) async fn open_troubles(
    conn: &mut PgConnection,
) -> Result<Vec<(NoticeKind, String, i32)>, DbError> {
    let rows = sqlx::query!(
        "SELECT kind, about, times FROM operator_notices
         WHERE end_time IS NULL AND severity <> 'INFO'
         ORDER BY create_time DESC, operator_notice_id DESC LIMIT 20",
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(|row| Ok((known("kind", &row.kind)?, row.about, row.times))).collect()
}

/// The notices to list. An empty filter field matches all.
pub(crate) struct Filter {
    pub(crate) state: Option<NoticeState>,
}

/// A page of notices, newest first, and one more notice if there is a next page.
pub(crate) async fn list(
    tx: &mut ListTx,
    filter: &Filter,
    page: &Page,
) -> Result<Vec<Listed<Notice>>, DbError> {
    let rows = sqlx::query_as!(
        Row,
        "SELECT operator_notice_id, kind, severity, about, text, link, source, times, create_time, last_report_time, end_time
         FROM operator_notices
         WHERE times > 0
           AND ($1::bool IS NULL OR (end_time IS NULL) = $1)
           AND ($2::timestamptz IS NULL OR (create_time, operator_notice_id) < ($2, $3::uuid))
         ORDER BY create_time DESC, operator_notice_id DESC
         LIMIT $4",
        filter.state.map(|state| state == NoticeState::Open),
        page.after_time(),
        page.after_id(),
        page.limit(),
    )
    .fetch_all(&mut **tx)
    .await?;
    let listed = |row: Row| {
        let place = (row.create_time, row.operator_notice_id);
        Listed::new("operator_notices", place, Notice::try_from(row))
    };
    Ok(rows.into_iter().map(listed).collect())
}

struct Row {
    operator_notice_id: Uuid,
    kind: String,
    severity: String,
    about: String,
    text: String,
    link: String,
    source: String,
    times: i32,
    create_time: DateTime<Utc>,
    last_report_time: DateTime<Utc>,
    end_time: Option<DateTime<Utc>>,
}

impl TryFrom<Row> for Notice {
    type Error = DbError;

    fn try_from(row: Row) -> Result<Self, DbError> {
        Ok(Self {
            id: row.operator_notice_id.into(),
            kind: known("kind", &row.kind)?,
            severity: known("severity", &row.severity)?,
            about: row.about,
            text: row.text,
            link: row.link,
            source: row.source,
            times: row.times,
            create_time: row.create_time,
            last_report_time: row.last_report_time,
            end_time: row.end_time,
        })
    }
}
