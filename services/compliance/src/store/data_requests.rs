//! Table `data_requests`. A function that a customer's call can reach takes a `Scope` and puts it into the `WHERE`.

mod due;

use chrono::{DateTime, Utc};
use levqor_runtime::{
    context::Scope,
    db::{DbError, ListTx, Listed, Page, known, known_if_any, not_known, one_row},
    email::Email,
};
use sqlx::PgConnection;
use uuid::Uuid;

pub(crate) use self::due::{Alert, alert, expire, forget_alerts, to_erase, wake};
use crate::domain::{
    asked::{CorrectedName, Correction, Declared},
    data_request::{DataRequest, DataRequestId, Entitlement, State},
    declaration::Shown,
    objection::Objected,
};

/// The filter of a list.
pub(crate) struct Filter {
    pub(crate) state: Option<State>,
    pub(crate) email: Option<Email>,
}

/// Stores a new request.
pub(crate) async fn insert(conn: &mut PgConnection, request: &DataRequest) -> Result<(), DbError> {
    let declared = &request.declared;
    let withdrawn: Vec<_> = declared.withdrawn.iter().map(|purpose| purpose.as_str().to_owned()).collect();
    sqlx::query!(
        "INSERT INTO data_requests
             (data_request_id, owner_sub, email, entitlement, origin, state, subject, corrected_name, wrong_email,
              create_time, due_time, finish_time, objected, objection_ends, withdrawn, shown_version, shown_sha256)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)",
        request.id.as_uuid(),
        request.owner_sub,
        request.email.as_str(),
        request.entitlement.as_str(),
        request.origin.as_str(),
        request.state.as_str(),
        stored(request),
        request.correction.name.as_ref().map(CorrectedName::as_str),
        request.correction.wrong_email.as_ref().map(Email::as_str),
        request.create_time,
        request.due_time,
        request.finish_time,
        declared.objected.map(Objected::as_str),
        declared.ends,
        &withdrawn,
        declared.shown.version,
        declared.shown.sha256,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Saves a request that is locked.
pub(crate) async fn update(conn: &mut PgConnection, request: &DataRequest) -> Result<(), DbError> {
    let saved = sqlx::query!(
        "UPDATE data_requests
         SET state = $2, subject = $3, obstacles = $4, due_time = $5, erase_time = $6, finish_time = $7
         WHERE data_request_id = $1",
        request.id.as_uuid(),
        request.state.as_str(),
        stored(request),
        &request.obstacles,
        request.due_time,
        request.erase_time,
        request.finish_time,
    )
    .execute(conn)
    .await?;
    one_row(&saved)
}

/// Ends an erasure, and erases its own row, which was needed until now.
pub(crate) async fn finish(
    conn: &mut PgConnection,
    id: DataRequestId,
    now: DateTime<Utc>,
) -> Result<(), DbError> {
    let saved = sqlx::query!(
        "UPDATE data_requests
         SET state = 'DONE', finish_time = $2, owner_sub = NULL, email = 'erased@erased.invalid', subject = '{}'
         WHERE data_request_id = $1 AND state = 'IN_PROGRESS'",
        id.as_uuid(),
        now,
    )
    .execute(conn)
    .await?;
    one_row(&saved)
}

/// Marks the request of an erasure that was repeated after a restore as done. False if the request is not one of these.
pub(crate) async fn done_again(conn: &mut PgConnection, id: DataRequestId) -> Result<bool, DbError> {
    let saved = sqlx::query!(
        "UPDATE data_requests SET state = 'DONE'
         WHERE data_request_id = $1 AND entitlement = 'ERASURE' AND state = 'CANCELLED'",
        id.as_uuid(),
    )
    .execute(conn)
    .await?;
    Ok(saved.rows_affected() == 1)
}

fn stored(request: &DataRequest) -> serde_json::Value {
    serde_json::json!(request.subject)
}

/// Locks the requests of a person until the transaction ends, so that two at once are not both the first of the day.
pub(crate) async fn hold(conn: &mut PgConnection, person: &str) -> Result<(), DbError> {
    sqlx::query!("SELECT pg_advisory_xact_lock(hashtextextended('data request of ' || $1::text, 0))", person)
        .fetch_one(conn)
        .await?;
    Ok(())
}

/// Whether the person made a request after an instant, by their account or their address. A request that was never confirmed counts,
/// if it sent a code: one that did not was over at once. So does one that was cancelled: each sends mails. Declarations are counted apart,
/// and those that took effect are not counted: a person may object and withdraw at any time (GDPR, articles 7 and 21), and has proved the
/// address.
pub(crate) async fn made_since(
    conn: &mut PgConnection,
    entitlement: Entitlement,
    owner_sub: Option<&str>,
    email: &str,
    since: DateTime<Utc>,
) -> Result<bool, DbError> {
    let origin = if owner_sub.is_some() { "ACCOUNT" } else { "MAIL" };
    Ok(sqlx::query_scalar!(
        r#"SELECT EXISTS (
               SELECT FROM data_requests
               WHERE email = $2 AND origin = $3 AND create_time > $4
                 AND finish_time IS DISTINCT FROM create_time
                 AND (entitlement IN ('OBJECTION', 'CONSENT_WITHDRAWAL')) = $5
                 AND NOT ($5 AND state = 'DONE')
           ) OR EXISTS (
               SELECT FROM data_requests
               WHERE owner_sub = $1 AND create_time > $4
                 AND (entitlement IN ('OBJECTION', 'CONSENT_WITHDRAWAL')) = $5
                 AND NOT ($5 AND state = 'DONE')
           ) AS "made!""#,
        owner_sub,
        email,
        origin,
        since,
        entitlement.is_declaration(),
    )
    .fetch_one(conn)
    .await?)
}

/// Gets one request, if the scope may see it.
pub(crate) async fn get(
    conn: &mut PgConnection,
    scope: &Scope,
    id: DataRequestId,
) -> Result<Option<DataRequest>, DbError> {
    sqlx::query_as!(
        Row,
        "SELECT data_request_id, owner_sub, email, entitlement, origin, state, subject, obstacles, corrected_name,
                wrong_email, objected, objection_ends, withdrawn, shown_version, shown_sha256, create_time, due_time, erase_time,
                finish_time
         FROM data_requests
         WHERE data_request_id = $4
           AND ($1::boolean OR owner_sub = $2 OR (owner_sub IS NULL AND email = $3 AND state <> 'AWAITING_CODE'))",
        scope.is_all(),
        scope.sub(),
        scope.email(),
        id.as_uuid(),
    )
    .fetch_optional(conn)
    .await?
    .map(DataRequest::try_from)
    .transpose()
}

/// Gets one request, if the scope may see it, and locks it until the transaction ends.
pub(crate) async fn lock(
    conn: &mut PgConnection,
    scope: &Scope,
    id: DataRequestId,
) -> Result<Option<DataRequest>, DbError> {
    sqlx::query_as!(
        Row,
        "SELECT data_request_id, owner_sub, email, entitlement, origin, state, subject, obstacles, corrected_name,
                wrong_email, objected, objection_ends, withdrawn, shown_version, shown_sha256, create_time, due_time, erase_time,
                finish_time
         FROM data_requests
         WHERE data_request_id = $4
           AND ($1::boolean OR owner_sub = $2 OR (owner_sub IS NULL AND email = $3 AND state <> 'AWAITING_CODE'))
         FOR UPDATE",
        scope.is_all(),
        scope.sub(),
        scope.email(),
        id.as_uuid(),
    )
    .fetch_optional(conn)
    .await?
    .map(DataRequest::try_from)
    .transpose()
}

/// Lists the requests that the scope may see, newest first: one page and one more request.
pub(crate) async fn list(
    tx: &mut ListTx,
    scope: &Scope,
    filter: &Filter,
    page: &Page,
) -> Result<Vec<Listed<DataRequest>>, DbError> {
    // Three branches; the scope enables one or two of them. Each uses its own index in the order of the page.
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT data_request_id AS "data_request_id!", owner_sub, email AS "email!", entitlement AS "entitlement!",
                  origin AS "origin!", state AS "state!", subject AS "subject!", obstacles AS "obstacles!",
                  corrected_name, wrong_email, objected, objection_ends AS "objection_ends!", withdrawn AS "withdrawn!",
                  shown_version AS "shown_version!", shown_sha256 AS "shown_sha256!", create_time AS "create_time!", due_time,
                  erase_time, finish_time
           FROM (
               (SELECT * FROM data_requests
                WHERE $1::boolean
                  AND ($4::text IS NULL OR state = $4) AND ($8::text IS NULL OR email = $8)
                  AND ($5::timestamptz IS NULL OR (create_time, data_request_id) < ($5, $6::uuid))
                ORDER BY create_time DESC, data_request_id DESC
                LIMIT $7)
               UNION ALL
               (SELECT * FROM data_requests
                WHERE NOT $1 AND owner_sub = $2
                  AND ($4 IS NULL OR state = $4) AND ($8 IS NULL OR email = $8)
                  AND ($5 IS NULL OR (create_time, data_request_id) < ($5, $6))
                ORDER BY create_time DESC, data_request_id DESC
                LIMIT $7)
               UNION ALL
               (SELECT * FROM data_requests
                WHERE NOT $1 AND owner_sub IS NULL AND email = $3 AND state <> 'AWAITING_CODE'
                  AND ($4 IS NULL OR state = $4) AND ($8 IS NULL OR email = $8)
                  AND ($5 IS NULL OR (create_time, data_request_id) < ($5, $6))
                ORDER BY create_time DESC, data_request_id DESC
                LIMIT $7)
           ) AS seen
           ORDER BY create_time DESC, data_request_id DESC
           LIMIT $7"#,
        scope.is_all(),
        scope.sub(),
        scope.email(),
        filter.state.map(State::as_str),
        page.after_time(),
        page.after_id(),
        page.limit(),
        filter.email.as_ref().map(Email::as_str),
    )
    .fetch_all(&mut **tx)
    .await?;
    let listed = |row: Row| {
        Listed::new("data_requests", (row.create_time, row.data_request_id), DataRequest::try_from(row))
    };
    Ok(rows.into_iter().map(listed).collect())
}

/// A row as it is stored.
struct Row {
    data_request_id: Uuid,
    owner_sub: Option<String>,
    email: String,
    entitlement: String,
    origin: String,
    state: String,
    subject: serde_json::Value,
    obstacles: Vec<String>,
    corrected_name: Option<String>,
    wrong_email: Option<String>,
    objected: Option<String>,
    objection_ends: bool,
    withdrawn: Vec<String>,
    shown_version: String,
    shown_sha256: String,
    create_time: DateTime<Utc>,
    due_time: Option<DateTime<Utc>>,
    erase_time: Option<DateTime<Utc>>,
    finish_time: Option<DateTime<Utc>>,
}

impl TryFrom<Row> for DataRequest {
    type Error = DbError;

    fn try_from(row: Row) -> Result<Self, DbError> {
        let withdrawn = row.withdrawn.iter().map(|purpose| known("withdrawn", purpose));
        let declared = Declared {
            objected: known_if_any("objected", row.objected.as_deref())?,
            ends: row.objection_ends,
            withdrawn: withdrawn.collect::<Result<_, _>>()?,
            shown: Shown { version: row.shown_version, sha256: row.shown_sha256 },
        };
        Ok(Self {
            id: row.data_request_id.into(),
            owner_sub: row.owner_sub,
            email: known("email", &row.email)?,
            entitlement: known("entitlement", &row.entitlement)?,
            origin: known("origin", &row.origin)?,
            state: known("state", &row.state)?,
            subject: serde_json::from_value(row.subject).map_err(|_| not_known("subject"))?,
            obstacles: row.obstacles,
            correction: Correction {
                name: known_if_any("corrected_name", row.corrected_name.as_deref())?,
                wrong_email: known_if_any("wrong_email", row.wrong_email.as_deref())?,
            },
            declared,
            create_time: row.create_time,
            due_time: row.due_time,
            erase_time: row.erase_time,
            finish_time: row.finish_time,
        })
    }
}

/// The requests that are not answered yet.
pub(crate) struct Open {
    pub(crate) count: i64,
    pub(crate) overdue: i64,
}

/// Counts the requests that are not answered yet, up to 1,000.
pub(crate) async fn open(conn: &mut PgConnection) -> Result<Open, DbError> {
    let open = sqlx::query!(
        r#"SELECT count(*) AS "count!", count(*) FILTER (WHERE due_time < runtime.now()) AS "overdue!"
           FROM (SELECT due_time FROM data_requests WHERE finish_time IS NULL AND due_time IS NOT NULL
                 ORDER BY due_time LIMIT 1000) AS open"#
    )
    .fetch_one(conn)
    .await?;
    Ok(Open { count: open.count, overdue: open.overdue })
}

/// Ends the other open requests of these people, because their data is erased.
pub(crate) async fn end_others(
    conn: &mut PgConnection,
    id: DataRequestId,
    subs: &[String],
    emails: &[String],
    now: DateTime<Utc>,
) -> Result<(), DbError> {
    sqlx::query!(
        "UPDATE data_requests SET state = 'CANCELLED', finish_time = $4, due_time = coalesce(due_time, $4)
         WHERE data_request_id = ANY(ARRAY(
             SELECT data_request_id FROM data_requests WHERE owner_sub = ANY($2)
             UNION ALL
             SELECT data_request_id FROM data_requests WHERE owner_sub IS NULL AND email = ANY($3)
         )) AND data_request_id <> $1 AND finish_time IS NULL",
        id.as_uuid(),
        subs,
        emails,
        now,
    )
    .execute(conn)
    .await?;
    Ok(())
}
