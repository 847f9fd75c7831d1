//! Table `placed_holds`. Only staff and this service reach it, so nothing here takes a `Scope`. `runtime.holds` has the people.

use chrono::{DateTime, Utc};
use levqor_runtime::{
    db::{DbError, ListTx, Listed, Page, known, one_row},
    email::Email,
    privacy::HoldKind,
};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::domain::{
    data_request::DataRequestId,
    hold::{Hold, HoldId, HoldOfPeople, HoldState},
};

/// Stores a new hold.
pub(crate) async fn insert(conn: &mut PgConnection, hold: &Hold) -> Result<(), DbError> {
    sqlx::query!(
        "INSERT INTO placed_holds (hold_id, kind, state, matter, reason, data_request_id, create_time, change_time)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        hold.id.as_uuid(),
        hold.kind.as_str(),
        hold.state.as_str(),
        hold.matter,
        hold.reason,
        hold.data_request_id.map(DataRequestId::as_uuid),
        hold.create_time,
        hold.change_time,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Saves a hold that is locked.
pub(crate) async fn update(conn: &mut PgConnection, hold: &Hold) -> Result<(), DbError> {
    let saved = sqlx::query!(
        "UPDATE placed_holds
         SET state = $2, change_time = $3, lift_time = $4, lift_reasons = $5, release_time = $6
         WHERE hold_id = $1",
        hold.id.as_uuid(),
        hold.state.as_str(),
        hold.change_time,
        hold.lift_time,
        hold.lift_reasons,
        hold.release_time,
    )
    .execute(conn)
    .await?;
    one_row(&saved)
}

/// Gets one hold.
pub(crate) async fn get(conn: &mut PgConnection, id: HoldId) -> Result<Option<Hold>, DbError> {
    sqlx::query_as!(
        Row,
        "SELECT hold_id, kind, state, matter, reason, data_request_id, create_time, change_time, lift_time, lift_reasons, release_time
         FROM placed_holds WHERE hold_id = $1",
        id.as_uuid(),
    )
    .fetch_optional(conn)
    .await?
    .map(Hold::try_from)
    .transpose()
}

/// Gets one hold, and locks it until the transaction ends.
pub(crate) async fn lock(conn: &mut PgConnection, id: HoldId) -> Result<Option<Hold>, DbError> {
    sqlx::query_as!(
        Row,
        "SELECT hold_id, kind, state, matter, reason, data_request_id, create_time, change_time, lift_time, lift_reasons, release_time
         FROM placed_holds WHERE hold_id = $1
         FOR UPDATE",
        id.as_uuid(),
    )
    .fetch_optional(conn)
    .await?
    .map(Hold::try_from)
    .transpose()
}

/// The holds that are in force.
pub(crate) async fn standing(conn: &mut PgConnection) -> Result<Vec<Hold>, DbError> {
    let rows = sqlx::query_as!(
        Row,
        "SELECT hold_id, kind, state, matter, reason, data_request_id, create_time, change_time, lift_time, lift_reasons, release_time
         FROM placed_holds WHERE state IN ('PLACING', 'STANDING')
         ORDER BY hold_id",
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(Hold::try_from).collect()
}

/// The holds with these ids.
pub(crate) async fn of(conn: &mut PgConnection, ids: &[Uuid]) -> Result<Vec<Hold>, DbError> {
    let rows = sqlx::query_as!(
        Row,
        "SELECT hold_id, kind, state, matter, reason, data_request_id, create_time, change_time, lift_time, lift_reasons, release_time
         FROM placed_holds WHERE hold_id = ANY($1)
         ORDER BY hold_id",
        ids,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(Hold::try_from).collect()
}

/// The restrictions whose announced end has come. They are locked.
pub(crate) async fn to_lift(
    conn: &mut PgConnection,
    now: DateTime<Utc>,
    most: i64,
) -> Result<Vec<Hold>, DbError> {
    let rows = sqlx::query_as!(
        Row,
        "SELECT hold_id, kind, state, matter, reason, data_request_id, create_time, change_time, lift_time, lift_reasons, release_time
         FROM placed_holds
         WHERE state IN ('PLACING', 'STANDING') AND lift_time <= $1
         ORDER BY lift_time
         LIMIT $2
         FOR UPDATE SKIP LOCKED",
        now,
        most,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(Hold::try_from).collect()
}

/// The holds whose change before an instant has not reached every service.
pub(crate) async fn untold(
    conn: &mut PgConnection,
    changed_before: DateTime<Utc>,
    most: i64,
) -> Result<Vec<HoldId>, DbError> {
    let ids = sqlx::query_scalar!(
        "SELECT hold_id FROM placed_holds
         WHERE state IN ('PLACING', 'RELEASING') AND change_time < $1
         ORDER BY change_time
         LIMIT $2",
        changed_before,
        most,
    )
    .fetch_all(conn)
    .await?;
    Ok(ids.into_iter().map(Into::into).collect())
}

/// Ends restrictions whose person is erased: the erasure takes them out of every service. Does not move `change_time`. So
/// the daily comparison of holds does not end the restriction in a service before the erasure has reached it.
pub(crate) async fn end_restrictions(
    conn: &mut PgConnection,
    ids: &[Uuid],
    now: DateTime<Utc>,
) -> Result<(), DbError> {
    sqlx::query!(
        "UPDATE placed_holds SET state = 'RELEASED', release_time = $2
         WHERE hold_id = ANY($1) AND kind = 'RESTRICTION' AND state <> 'RELEASED'",
        ids,
        now,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The filter of a list.
pub(crate) struct Filter {
    pub(crate) state: Option<HoldState>,
    pub(crate) email: Option<Email>,
    pub(crate) matter: String,
}

/// Lists the holds of a kind, newest first: one page and one more hold.
pub(crate) async fn list(
    tx: &mut ListTx,
    kind: HoldKind,
    filter: &Filter,
    page: &Page,
) -> Result<Vec<Listed<HoldOfPeople>>, DbError> {
    // The ids of an address are an array, because PostgreSQL looks an array up in the index of holds. `IN` would read every hold.
    let rows = sqlx::query!(
        r#"SELECT hold_id, kind, state, matter, reason, data_request_id, create_time, change_time, lift_time, lift_reasons,
                  release_time,
                  ARRAY(SELECT email FROM runtime.holds
                        WHERE hold_id = placed.hold_id AND email IS NOT NULL ORDER BY 1) AS "emails!",
                  ARRAY(SELECT owner_sub FROM runtime.holds
                        WHERE hold_id = placed.hold_id AND owner_sub IS NOT NULL ORDER BY 1) AS "subs!"
           FROM placed_holds AS placed
           WHERE kind = $1
             AND ($2::text IS NULL OR state = $2)
             AND ($3::text = '' OR matter = $3)
             AND ($4::text IS NULL OR hold_id = ANY(ARRAY(SELECT hold_id FROM runtime.holds WHERE email = $4)))
             AND ($5::timestamptz IS NULL OR (create_time, hold_id) < ($5, $6::uuid))
           ORDER BY create_time DESC, hold_id DESC
           LIMIT $7"#,
        kind.as_str(),
        filter.state.map(HoldState::as_str),
        filter.matter,
        filter.email.as_ref().map(Email::as_str),
        page.after_time(),
        page.after_id(),
        page.limit(),
    )
    .fetch_all(&mut **tx)
    .await?;
    let listed = rows.into_iter().map(|row| {
        let place = (row.create_time, row.hold_id);
        let hold = Hold::try_from(Row {
            hold_id: row.hold_id,
            kind: row.kind,
            state: row.state,
            matter: row.matter,
            reason: row.reason,
            data_request_id: row.data_request_id,
            create_time: row.create_time,
            change_time: row.change_time,
            lift_time: row.lift_time,
            lift_reasons: row.lift_reasons,
            release_time: row.release_time,
        });
        let (emails, subs) = (row.emails, row.subs);
        Listed::new("placed_holds", place, hold.map(|hold| HoldOfPeople { hold, emails, subs }))
    });
    Ok(listed.collect())
}

/// A row as it is stored.
struct Row {
    hold_id: Uuid,
    kind: String,
    state: String,
    matter: String,
    reason: Option<String>,
    data_request_id: Option<Uuid>,
    create_time: DateTime<Utc>,
    change_time: DateTime<Utc>,
    lift_time: Option<DateTime<Utc>>,
    lift_reasons: Option<String>,
    release_time: Option<DateTime<Utc>>,
}

impl TryFrom<Row> for Hold {
    type Error = DbError;

    fn try_from(row: Row) -> Result<Self, DbError> {
        Ok(Self {
            id: row.hold_id.into(),
            kind: known("kind", &row.kind)?,
            state: known("state", &row.state)?,
            matter: row.matter,
            reason: row.reason,
            data_request_id: row.data_request_id.map(Into::into),
            create_time: row.create_time,
            change_time: row.change_time,
            lift_time: row.lift_time,
            lift_reasons: row.lift_reasons,
            release_time: row.release_time,
        })
    }
}
