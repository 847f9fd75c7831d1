//! Tables `incidents` and `incident_updates`. Staff see all; the public sees what `public` gives, which has no report.

use chrono::{DateTime, TimeDelta, Utc};
use levqor_runtime::db::{DbError, ListTx, Listed, Page, known, one_row};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::domain::incident::{Component, Incident, IncidentId, IncidentState, Update};

/// How long an incident is shown after its end.
const SHOWN_FOR: TimeDelta = TimeDelta::days(14);

fn names(components: &[Component]) -> Vec<String> {
    components.iter().map(|component| component.as_str().to_owned()).collect()
}

/// Stores a new incident.
pub(crate) async fn insert(conn: &mut PgConnection, incident: &Incident) -> Result<(), DbError> {
    sqlx::query!(
        "INSERT INTO incidents (incident_id, kind, state, title, report, reporter_sub, components, publish_time,
                                start_time, end_time, create_time)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        incident.id.as_uuid(),
        incident.kind.as_str(),
        incident.state.as_str(),
        incident.title,
        incident.report,
        incident.reporter_sub,
        &names(&incident.components),
        incident.publish_time,
        incident.start_time,
        incident.end_time,
        incident.create_time,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Gets one incident, and locks it until the transaction ends.
pub(crate) async fn lock(conn: &mut PgConnection, id: IncidentId) -> Result<Option<Incident>, DbError> {
    let row = sqlx::query_as!(
        Row,
        "SELECT incident_id, kind, state, title, report, reporter_sub, components, publish_time, start_time, end_time,
                create_time
         FROM incidents WHERE incident_id = $1 FOR UPDATE",
        id.as_uuid(),
    )
    .fetch_optional(conn)
    .await?;
    row.map(Incident::try_from).transpose()
}

/// Saves an incident that is locked.
pub(crate) async fn save(conn: &mut PgConnection, incident: &Incident) -> Result<(), DbError> {
    let saved = sqlx::query!(
        "UPDATE incidents SET state = $2, title = $3, components = $4, publish_time = $5, end_time = $6
         WHERE incident_id = $1",
        incident.id.as_uuid(),
        incident.state.as_str(),
        incident.title,
        &names(&incident.components),
        incident.publish_time,
        incident.end_time,
    )
    .execute(conn)
    .await?;
    one_row(&saved)
}

/// Adds news.
pub(crate) async fn add_update(conn: &mut PgConnection, update: &Update) -> Result<(), DbError> {
    sqlx::query!(
        "INSERT INTO incident_updates (update_id, incident_id, state, text, is_public, create_time)
         VALUES ($1, $2, $3, $4, $5, $6)",
        update.id.as_uuid(),
        update.incident_id.as_uuid(),
        update.state.as_str(),
        update.text,
        update.is_public,
        update.create_time,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The news of these incidents, the latest first. At most 1,000.
pub(crate) async fn updates(conn: &mut PgConnection, ids: &[IncidentId]) -> Result<Vec<Update>, DbError> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.as_uuid()).collect();
    let rows = sqlx::query!(
        "SELECT update_id, incident_id, state, text, is_public, create_time FROM incident_updates
         WHERE incident_id = ANY ($1)
         ORDER BY create_time DESC
         LIMIT 1000",
        &ids,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Update {
                id: row.update_id.into(),
                incident_id: row.incident_id.into(),
                state: known("state", &row.state)?,
                text: row.text,
                is_public: row.is_public,
                create_time: row.create_time,
            })
        })
        .collect()
}

/// Public incidents that are open or ended lately, and announced maintenance, the newest first.
pub(crate) async fn public(conn: &mut PgConnection, now: DateTime<Utc>) -> Result<Vec<Incident>, DbError> {
    let rows = sqlx::query_as!(
        Row,
        "SELECT incident_id, kind, state, title, '' AS \"report!\", NULL::text AS reporter_sub, components, publish_time,
                start_time, end_time, create_time
         FROM incidents
         WHERE publish_time IS NOT NULL AND (end_time IS NULL OR end_time > $1)
         ORDER BY start_time DESC
         LIMIT 50",
        now - SHOWN_FOR,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(Incident::try_from).collect()
}

/// The components for which announced maintenance is under way.
pub(crate) async fn under_maintenance(
    conn: &mut PgConnection,
    now: DateTime<Utc>,
) -> Result<Vec<String>, DbError> {
    Ok(sqlx::query_scalar!(
        r#"SELECT DISTINCT unnest(components) AS "component!" FROM incidents
           WHERE publish_time IS NOT NULL AND kind = 'MAINTENANCE' AND start_time <= $1 AND end_time > $1"#,
        now,
    )
    .fetch_all(conn)
    .await?)
}

/// The filter of a list.
pub(crate) struct Filter {
    pub(crate) state: Option<IncidentState>,
}

/// Lists incidents, newest first: one page and one more incident.
pub(crate) async fn list(
    tx: &mut ListTx,
    filter: &Filter,
    page: &Page,
) -> Result<Vec<Listed<Incident>>, DbError> {
    let rows = sqlx::query_as!(
        Row,
        "SELECT incident_id, kind, state, title, report, reporter_sub, components, publish_time, start_time, end_time,
                create_time
         FROM incidents
         WHERE ($1::text IS NULL OR state = $1)
           AND ($2::timestamptz IS NULL OR (create_time, incident_id) < ($2, $3::uuid))
         ORDER BY create_time DESC, incident_id DESC
         LIMIT $4",
        filter.state.map(IncidentState::as_str),
        page.after_time(),
        page.after_id(),
        page.limit(),
    )
    .fetch_all(&mut **tx)
    .await?;
    let listed =
        |row: Row| Listed::new("incidents", (row.create_time, row.incident_id), Incident::try_from(row));
    Ok(rows.into_iter().map(listed).collect())
}

/// A row as it is stored.
struct Row {
    incident_id: Uuid,
    kind: String,
    state: String,
    title: String,
    report: String,
    reporter_sub: Option<String>,
    components: Vec<String>,
    publish_time: Option<DateTime<Utc>>,
    start_time: DateTime<Utc>,
    end_time: Option<DateTime<Utc>>,
    create_time: DateTime<Utc>,
}

impl TryFrom<Row> for Incident {
    type Error = DbError;

    fn try_from(row: Row) -> Result<Self, DbError> {
        let components = row.components.iter().map(|component| known("components", component));
        Ok(Self {
            id: row.incident_id.into(),
            kind: known("kind", &row.kind)?,
            state: known("state", &row.state)?,
            title: row.title,
            report: row.report,
            reporter_sub: row.reporter_sub,
            components: components.collect::<Result<_, _>>()?,
            publish_time: row.publish_time,
            start_time: row.start_time,
            end_time: row.end_time,
            create_time: row.create_time,
        })
    }
}
