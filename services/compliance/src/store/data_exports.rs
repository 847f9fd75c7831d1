//! Table `data_exports`. Who may see a data request may see its copy, and so may everybody who has its link and a code. So
//! nothing here takes a `Scope`.

use chrono::{DateTime, Utc};
use levqor_runtime::db::{DbError, known, one_row};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::domain::{
    data_request::DataRequestId,
    export::{BUILD_LEASE, Export, KEPT, LINK_VALID, Size},
};

/// Begins a build that may store its archive in any of `places`. Returns the number of the build, or `None` if another build is under
/// way or the copy exists already.
pub(crate) async fn begin(
    conn: &mut PgConnection,
    id: DataRequestId,
    places: &[String],
    now: DateTime<Utc>,
) -> Result<Option<i32>, DbError> {
    Ok(sqlx::query_scalar!(
        "INSERT INTO data_exports AS known
             (data_request_id, state, build_number, build_lease_until, create_time, delete_time, places)
         VALUES ($1, 'BUILDING', 1, $3, $2, $4, $5)
         ON CONFLICT (data_request_id) DO UPDATE
         SET build_number = known.build_number + 1, build_lease_until = $3, delete_time = $4,
             places = known.places || excluded.places
         WHERE known.state = 'BUILDING' AND known.build_lease_until <= $2
         RETURNING build_number",
        id.as_uuid(),
        now,
        now + BUILD_LEASE,
        now + KEPT,
        places,
    )
    .fetch_optional(conn)
    .await?)
}

/// Ends a build that failed, so that the next one may begin at once.
pub(crate) async fn release(
    conn: &mut PgConnection,
    id: DataRequestId,
    build_number: i32,
    now: DateTime<Utc>,
) -> Result<(), DbError> {
    sqlx::query!(
        "UPDATE data_exports SET build_lease_until = $3
         WHERE data_request_id = $1 AND build_number = $2 AND state = 'BUILDING'",
        id.as_uuid(),
        build_number,
        now,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Stores how far a build is, and prolongs its lease. False if another build took over, or if the copy is not wanted any more.
pub(crate) async fn progress(
    conn: &mut PgConnection,
    id: DataRequestId,
    build_number: i32,
    size: Size,
    now: DateTime<Utc>,
) -> Result<bool, DbError> {
    let changed = sqlx::query!(
        "UPDATE data_exports
         SET build_lease_until = $3, row_count = $4, file_count = $5, size_bytes = $6
         WHERE data_request_id = $1 AND build_number = $2 AND state = 'BUILDING'",
        id.as_uuid(),
        build_number,
        now + BUILD_LEASE,
        size.rows,
        size.files,
        size.bytes,
    )
    .execute(conn)
    .await?;
    Ok(changed.rows_affected() == 1)
}

/// Marks the archive of a build as whole. `places` names the storage of the archive. If `places` is empty, the stored names stay. Returns
/// false if another build took over.
pub(crate) async fn ready(
    conn: &mut PgConnection,
    id: DataRequestId,
    build_number: i32,
    (link_hash, size, places): (&[u8], Size, &[String]),
    now: DateTime<Utc>,
) -> Result<bool, DbError> {
    let changed = sqlx::query!(
        "UPDATE data_exports
         SET state = 'READY', build_lease_until = NULL, link_hash = $3, link_expire_time = $4, row_count = $5, file_count = $6,
             size_bytes = $7, ready_time = $8, delete_time = $9,
             places = CASE WHEN cardinality($10::text[]) > 0 THEN $10 ELSE places END
         WHERE data_request_id = $1 AND build_number = $2 AND state = 'BUILDING'",
        id.as_uuid(),
        build_number,
        link_hash,
        now + LINK_VALID,
        size.rows,
        size.files,
        size.bytes,
        now,
        now + KEPT,
        places,
    )
    .execute(conn)
    .await?;
    Ok(changed.rows_affected() == 1)
}

/// The copy of a data request.
pub(crate) async fn get(conn: &mut PgConnection, id: DataRequestId) -> Result<Option<Export>, DbError> {
    sqlx::query_as!(
        Stored,
        "SELECT data_request_id, state, build_number, link_expire_time, row_count, file_count, size_bytes, download_count,
                ready_time, delete_time
         FROM data_exports WHERE data_request_id = $1",
        id.as_uuid(),
    )
    .fetch_optional(conn)
    .await?
    .map(Export::try_from)
    .transpose()
}

/// The copy that a link leads to.
pub(crate) async fn by_link(conn: &mut PgConnection, link_hash: &[u8]) -> Result<Option<Export>, DbError> {
    sqlx::query_as!(
        Stored,
        "SELECT data_request_id, state, build_number, link_expire_time, row_count, file_count, size_bytes, download_count,
                ready_time, delete_time
         FROM data_exports WHERE link_hash = $1",
        link_hash,
    )
    .fetch_optional(conn)
    .await?
    .map(Export::try_from)
    .transpose()
}

/// Counts a download.
pub(crate) async fn count_download(conn: &mut PgConnection, id: DataRequestId) -> Result<(), DbError> {
    let counted = sqlx::query!(
        "UPDATE data_exports SET download_count = download_count + 1 WHERE data_request_id = $1",
        id.as_uuid(),
    )
    .execute(conn)
    .await?;
    one_row(&counted)
}

/// Has the copies of these people's requests removed at once.
pub(crate) async fn end_those_of(
    conn: &mut PgConnection,
    subs: &[String],
    emails: &[String],
    now: DateTime<Utc>,
) -> Result<(), DbError> {
    sqlx::query!(
        "UPDATE data_exports SET delete_time = $3
         WHERE state <> 'DELETED' AND data_request_id = ANY(ARRAY(
             SELECT data_request_id FROM data_requests WHERE owner_sub = ANY($1)
             UNION ALL
             SELECT data_request_id FROM data_requests WHERE owner_sub IS NULL AND email = ANY($2)
         ))",
        subs,
        emails,
        now,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Schedules the removal of an archive whose copy is not wanted any more. The copy may already be marked as removed, because the
/// archive was written after that mark.
pub(crate) async fn reopen(
    conn: &mut PgConnection,
    id: DataRequestId,
    now: DateTime<Utc>,
) -> Result<(), DbError> {
    sqlx::query!(
        "UPDATE data_exports SET state = 'BUILDING', delete_time = least(delete_time, $2)
         WHERE data_request_id = $1 AND state <> 'READY'",
        id.as_uuid(),
        now,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The copies that must be removed and whose storages are all among `places`.
pub(crate) async fn to_delete(
    conn: &mut PgConnection,
    places: &[String],
    now: DateTime<Utc>,
    most: i64,
) -> Result<Vec<Export>, DbError> {
    let rows = sqlx::query_as!(
        Stored,
        "SELECT data_request_id, state, build_number, link_expire_time, row_count, file_count, size_bytes, download_count,
                ready_time, delete_time
         FROM data_exports WHERE state <> 'DELETED' AND delete_time <= $1 AND places <@ $3::text[]
         ORDER BY delete_time
         LIMIT $2",
        now,
        most,
        places,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(Export::try_from).collect()
}

/// Marks and returns the copies that must be removed but may be in a storage outside of `places`, with the names of their
/// storages. Each copy is returned once, so that operators get one notice.
pub(crate) async fn take_away(
    conn: &mut PgConnection,
    places: &[String],
    now: DateTime<Utc>,
) -> Result<Vec<(DataRequestId, Vec<String>)>, DbError> {
    let rows = sqlx::query!(
        "UPDATE data_exports SET away_time = $1
         WHERE state <> 'DELETED' AND delete_time <= $1 AND NOT places <@ $2::text[] AND away_time IS NULL
         RETURNING data_request_id, places",
        now,
        places,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (row.data_request_id.into(), row.places)).collect())
}

/// How many copies of these people's requests should be removed, and are not.
pub(crate) async fn overdue_of(
    conn: &mut PgConnection,
    subs: &[String],
    emails: &[String],
    now: DateTime<Utc>,
) -> Result<i64, DbError> {
    Ok(sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM data_exports
           WHERE state <> 'DELETED' AND delete_time <= $3 AND data_request_id = ANY(ARRAY(
               SELECT data_request_id FROM data_requests WHERE owner_sub = ANY($1)
               UNION ALL
               SELECT data_request_id FROM data_requests WHERE owner_sub IS NULL AND email = ANY($2)
           ))"#,
        subs,
        emails,
        now,
    )
    .fetch_one(conn)
    .await?)
}

/// Marks a copy as removed. Returns whether operators need a notice: they got one that it could not be removed, and no other call has
/// marked it.
pub(crate) async fn deleted(conn: &mut PgConnection, id: DataRequestId) -> Result<bool, DbError> {
    let was_away = sqlx::query_scalar!(
        r#"UPDATE data_exports SET state = 'DELETED', build_lease_until = NULL
           WHERE data_request_id = $1 AND state <> 'DELETED'
           RETURNING away_time IS NOT NULL AS "was_away!""#,
        id.as_uuid(),
    )
    .fetch_optional(conn)
    .await?;
    Ok(was_away.unwrap_or_default())
}

/// A row as it is stored.
struct Stored {
    data_request_id: Uuid,
    state: String,
    build_number: i32,
    link_expire_time: Option<DateTime<Utc>>,
    row_count: i64,
    file_count: i64,
    size_bytes: i64,
    download_count: i32,
    ready_time: Option<DateTime<Utc>>,
    delete_time: DateTime<Utc>,
}

impl TryFrom<Stored> for Export {
    type Error = DbError;

    fn try_from(row: Stored) -> Result<Self, DbError> {
        Ok(Self {
            request_id: row.data_request_id.into(),
            state: known("state", &row.state)?,
            build_number: row.build_number,
            link_expire_time: row.link_expire_time,
            size: Size { rows: row.row_count, files: row.file_count, bytes: row.size_bytes },
            download_count: row.download_count,
            ready_time: row.ready_time,
            delete_time: row.delete_time,
        })
    }
}
