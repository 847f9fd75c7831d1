//! Table `component_days`: how often each component was measured on a day, and how often it worked.

use chrono::{DateTime, Datelike, NaiveDate, Utc};
use levqor_runtime::db::{DbError, known};
use sqlx::PgConnection;

use crate::domain::incident::{Component, Measured};

/// Counts a measurement. A second one of the same minute changes nothing.
pub(crate) async fn count(
    conn: &mut PgConnection,
    component: Component,
    up: bool,
    is_maintenance: bool,
    now: DateTime<Utc>,
) -> Result<(), DbError> {
    let one = |counts: bool| i32::from(counts);
    sqlx::query!(
        "INSERT INTO component_days AS day (component, day, up_count, down_count, maintenance_count, is_up, measure_time)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT ON CONSTRAINT component_days_pkey DO UPDATE
         SET up_count = day.up_count + excluded.up_count, down_count = day.down_count + excluded.down_count,
             maintenance_count = day.maintenance_count + excluded.maintenance_count, is_up = excluded.is_up,
             measure_time = excluded.measure_time
         WHERE date_trunc('minute', day.measure_time) < date_trunc('minute', excluded.measure_time)",
        component.as_str(),
        now.date_naive(),
        one(up && !is_maintenance),
        one(!up && !is_maintenance),
        one(is_maintenance),
        up,
        now,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The known facts about each component.
pub(crate) async fn measured(conn: &mut PgConnection, now: DateTime<Utc>) -> Result<Vec<Measured>, DbError> {
    let this = first_of_month(now.date_naive());
    let before = this.pred_opt().map_or(this, first_of_month);
    let rows = sqlx::query!(
        r#"SELECT component, day, up_count, down_count, is_up, measure_time FROM component_days
           WHERE component = ANY ($1) AND day >= $2
           ORDER BY component, day"#,
        &Component::ALL.map(|component| component.as_str().to_owned()),
        before,
    )
    .fetch_all(conn)
    .await?;
    let mut all: Vec<_> =
        Component::ALL.map(|component| Measured { component, last: None, months: [(0, 0); 2] }).into();
    for row in rows {
        let component: Component = known("component", &row.component)?;
        let Some(measured) = all.iter_mut().find(|measured| measured.component == component) else {
            continue;
        };
        let [of_this, of_before] = &mut measured.months;
        let month = if row.day >= this { of_this } else { of_before };
        *month = (month.0 + i64::from(row.up_count), month.1 + i64::from(row.down_count));
        measured.last = Some((row.is_up, row.measure_time));
    }
    Ok(all)
}

fn first_of_month(day: NaiveDate) -> NaiveDate {
    day.with_day(1).unwrap_or(day)
}
