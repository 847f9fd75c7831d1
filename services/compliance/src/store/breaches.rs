//! Table `breaches`. Only staff reach it, and it is about no single person, so nothing here takes a `Scope`.

use chrono::{DateTime, Utc};
use levqor_runtime::db::{DbError, ListTx, Listed, Page, known, one_row};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::domain::breach::{Breach, BreachId, BreachState, Exemption, Facts, PeopleNotice, RegulatorNotice};

/// Stores a new breach.
pub(crate) async fn insert(conn: &mut PgConnection, breach: &Breach) -> Result<(), DbError> {
    sqlx::query!(
        "INSERT INTO breaches
             (breach_id, state, description, data_kinds, people_count, consequences, measures, aware_time, due_time, create_time)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        breach.id.as_uuid(),
        breach.state.as_str(),
        breach.facts.description,
        &breach.facts.data_kinds,
        breach.facts.people_count,
        breach.facts.consequences,
        breach.facts.measures,
        breach.aware_time,
        breach.due_time,
        breach.create_time,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Saves a breach that is locked.
pub(crate) async fn update(conn: &mut PgConnection, breach: &Breach) -> Result<(), DbError> {
    let (notice, people) = (breach.regulator_notice.as_ref(), breach.people_notice.as_ref());
    let saved = sqlx::query!(
        "UPDATE breaches
         SET state = $2, description = $3, data_kinds = $4, people_count = $5, consequences = $6, measures = $7,
             regulator_notice_time = $8, regulator_reference = $9, delay_reasons = $10, exempt_time = $11, exempt_reasons = $12,
             people_notice_time = $13, people_notice_count = $14, people_notice_means = $15, people_untold_reasons = $16,
             close_time = $17
         WHERE breach_id = $1",
        breach.id.as_uuid(),
        breach.state.as_str(),
        breach.facts.description,
        &breach.facts.data_kinds,
        breach.facts.people_count,
        breach.facts.consequences,
        breach.facts.measures,
        notice.map(|notice| notice.time),
        notice.and_then(|notice| notice.reference.as_deref()),
        notice.and_then(|notice| notice.delay_reasons.as_deref()),
        breach.exemption.as_ref().map(|exemption| exemption.time),
        breach.exemption.as_ref().map(|exemption| exemption.reasons.as_str()),
        people.map(|people| people.time),
        people.map(|people| people.count),
        people.map(|people| people.means.as_str()),
        breach.people_untold_reasons,
        breach.close_time,
    )
    .execute(conn)
    .await?;
    one_row(&saved)
}

/// Gets one breach.
pub(crate) async fn get(conn: &mut PgConnection, id: BreachId) -> Result<Option<Breach>, DbError> {
    sqlx::query_as!(
        Row,
        "SELECT breach_id, state, description, data_kinds, people_count, consequences, measures, aware_time, due_time, alerts,
                regulator_notice_time, regulator_reference, delay_reasons, exempt_time, exempt_reasons, people_notice_time,
                people_notice_count, people_notice_means, people_untold_reasons, close_time, create_time
         FROM breaches WHERE breach_id = $1",
        id.as_uuid(),
    )
    .fetch_optional(conn)
    .await?
    .map(Breach::try_from)
    .transpose()
}

/// Gets one breach, and locks it until the transaction ends.
pub(crate) async fn lock(conn: &mut PgConnection, id: BreachId) -> Result<Option<Breach>, DbError> {
    sqlx::query_as!(
        Row,
        "SELECT breach_id, state, description, data_kinds, people_count, consequences, measures, aware_time, due_time, alerts,
                regulator_notice_time, regulator_reference, delay_reasons, exempt_time, exempt_reasons, people_notice_time,
                people_notice_count, people_notice_means, people_untold_reasons, close_time, create_time
         FROM breaches WHERE breach_id = $1 FOR UPDATE",
        id.as_uuid(),
    )
    .fetch_optional(conn)
    .await?
    .map(Breach::try_from)
    .transpose()
}

/// The filter of a list.
pub(crate) struct Filter {
    pub(crate) state: Option<BreachState>,
}

/// Lists breaches, newest first: one page and one more breach.
pub(crate) async fn list(
    tx: &mut ListTx,
    filter: &Filter,
    page: &Page,
) -> Result<Vec<Listed<Breach>>, DbError> {
    let rows = sqlx::query_as!(
        Row,
        "SELECT breach_id, state, description, data_kinds, people_count, consequences, measures, aware_time, due_time, alerts,
                regulator_notice_time, regulator_reference, delay_reasons, exempt_time, exempt_reasons, people_notice_time,
                people_notice_count, people_notice_means, people_untold_reasons, close_time, create_time
         FROM breaches
         WHERE ($1::text IS NULL OR state = $1)
           AND ($2::timestamptz IS NULL OR (create_time, breach_id) < ($2, $3::uuid))
         ORDER BY create_time DESC, breach_id DESC
         LIMIT $4",
        filter.state.map(BreachState::as_str),
        page.after_time(),
        page.after_id(),
        page.limit(),
    )
    .fetch_all(&mut **tx)
    .await?;
    let listed = |row: Row| Listed::new("breaches", (row.create_time, row.breach_id), Breach::try_from(row));
    Ok(rows.into_iter().map(listed).collect())
}

/// A breach whose 72 hours operators get notices of.
pub(crate) struct Alert {
    pub(crate) id: BreachId,
    /// How many shares of the time are over: 50, 80, 95 and 100 %.
    pub(crate) alerts: i32,
    pub(crate) due_time: DateTime<Utc>,
}

/// Notes which shares of their 72 hours are over for the breaches that are open. Returns those for which a share ended.
pub(crate) async fn alert(conn: &mut PgConnection, now: DateTime<Utc>) -> Result<Vec<Alert>, DbError> {
    Ok(sqlx::query_as!(
        Alert,
        "UPDATE breaches AS breach
         SET alerts = over.alerts
         FROM (
             SELECT breach_id, (share >= 0.5)::integer + (share >= 0.8)::integer + (share >= 0.95)::integer
                    + (share >= 1)::integer AS alerts
             FROM (
                 SELECT breach_id, extract(epoch FROM $1::timestamptz - aware_time) / extract(epoch FROM due_time - aware_time) AS share
                 FROM breaches
                 WHERE state = 'OPEN'
                 ORDER BY due_time
                 LIMIT 10000
             ) AS open
         ) AS over
         WHERE over.breach_id = breach.breach_id AND over.alerts > breach.alerts
             AND breach.state NOT IN ('NOTIFIED', 'NOT_NOTIFIABLE', 'CLOSED')
         RETURNING breach.breach_id AS id, breach.alerts, breach.due_time",
        now,
    )
    .fetch_all(conn)
    .await?)
}

/// The breaches for which nobody has decided yet whether to notify the regulator.
pub(crate) struct Open {
    pub(crate) count: i64,
    pub(crate) overdue: i64,
}

/// Counts the open breaches, up to 1,000.
pub(crate) async fn open(conn: &mut PgConnection) -> Result<Open, DbError> {
    let open = sqlx::query!(
        r#"SELECT count(*) AS "count!", count(*) FILTER (WHERE due_time < runtime.now()) AS "overdue!"
           FROM (SELECT due_time FROM breaches WHERE state = 'OPEN' ORDER BY due_time LIMIT 1000) AS open"#
    )
    .fetch_one(conn)
    .await?;
    Ok(Open { count: open.count, overdue: open.overdue })
}

/// A row as it is stored.
struct Row {
    breach_id: Uuid,
    state: String,
    description: String,
    data_kinds: Vec<String>,
    people_count: i64,
    consequences: String,
    measures: String,
    aware_time: DateTime<Utc>,
    due_time: DateTime<Utc>,
    alerts: i32,
    regulator_notice_time: Option<DateTime<Utc>>,
    regulator_reference: Option<String>,
    delay_reasons: Option<String>,
    exempt_time: Option<DateTime<Utc>>,
    exempt_reasons: Option<String>,
    people_notice_time: Option<DateTime<Utc>>,
    people_notice_count: Option<i64>,
    people_notice_means: Option<String>,
    people_untold_reasons: Option<String>,
    close_time: Option<DateTime<Utc>>,
    create_time: DateTime<Utc>,
}

impl TryFrom<Row> for Breach {
    type Error = DbError;

    fn try_from(row: Row) -> Result<Self, DbError> {
        let (reference, delay_reasons) = (row.regulator_reference, row.delay_reasons);
        let exemption = row.exempt_time.zip(row.exempt_reasons);
        let people = row.people_notice_time.zip(row.people_notice_count).zip(row.people_notice_means);
        Ok(Self {
            id: row.breach_id.into(),
            state: known("state", &row.state)?,
            facts: Facts {
                description: row.description,
                data_kinds: row.data_kinds,
                people_count: row.people_count,
                consequences: row.consequences,
                measures: row.measures,
            },
            aware_time: row.aware_time,
            due_time: row.due_time,
            alerts: row.alerts,
            regulator_notice: row.regulator_notice_time.map(|time| RegulatorNotice {
                time,
                reference,
                delay_reasons,
            }),
            exemption: exemption.map(|(time, reasons)| Exemption { reasons, time }),
            people_notice: people.map(|((time, count), means)| PeopleNotice { time, count, means }),
            people_untold_reasons: row.people_untold_reasons,
            close_time: row.close_time,
            create_time: row.create_time,
        })
    }
}
