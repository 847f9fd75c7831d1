//! Holds: the rows of a person must stay, because staff placed a legal hold, or because the person restricted the processing of their data
//! (GDPR, article 18). Compliance sends each change to every service. Both kinds stop the retention periods. A legal hold also stops an
//! erasure. A restriction also counts as an objection to everything (`objections`).

use chrono::{DateTime, Utc};
use levqor_proto_runtime::v1 as wire;
use sqlx::PgConnection;
use uuid::Uuid;

use super::Subject;
use crate::{
    db::{DbError, Tx},
    id::uuid_at,
    wire_enum,
};

wire_enum! {
    /// Why the rows of a person must stay.
    pub enum HoldKind: wire::HoldKind {
        /// Staff placed a legal hold.
        LegalHold = "LEGAL_HOLD",
        /// The processing of the person's data is restricted.
        Restriction = "RESTRICTION",
    }
}

/// A change of a hold.
#[derive(Debug, Clone)]
pub struct HoldChange {
    /// The hold.
    pub id: Uuid,
    /// Its kind.
    pub kind: HoldKind,
    /// The person.
    pub subject: Subject,
    /// Whether the hold is in force from now on.
    pub stands: bool,
    /// When it changed.
    pub change_time: DateTime<Utc>,
}

/// Stores a change. A change that is older than the stored one has no effect. It waits for the running batches of erasures and of the
/// retention, so that no later batch ignores it. Returns the change. If a hold ends, the change also gets the identifiers that only this
/// database has for the hold.
pub async fn apply_hold(tx: &mut Tx, mut change: HoldChange) -> Result<HoldChange, DbError> {
    sqlx::query!("SELECT pg_advisory_xact_lock(hashtextextended('holds', 0))").fetch_one(&mut **tx).await?;
    if !change.stands {
        change.subject.add(subject_of_hold(tx, change.id).await?);
    }
    for sub in &change.subject.subs {
        put(tx, &change, [Some(sub.as_str()), None, None]).await?;
    }
    for email in &change.subject.emails {
        put(tx, &change, [None, Some(email.as_str()), None]).await?;
    }
    for vendor_id in &change.subject.vendor_ids {
        put(tx, &change, [None, None, Some(vendor_id.as_str())]).await?;
    }
    Ok(change)
}

/// Stores a change for one identifier of the person.
async fn put(
    conn: &mut PgConnection,
    change: &HoldChange,
    [sub, email, vendor_id]: [Option<&str>; 3],
) -> Result<(), DbError> {
    sqlx::query!(
        "INSERT INTO runtime.holds AS known
             (hold_row_id, hold_id, kind, owner_sub, email, stripe_customer, stands, change_time)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
         ON CONFLICT (hold_id, coalesce(owner_sub, ''), coalesce(email, ''), coalesce(stripe_customer, '')) DO UPDATE
         SET stands = excluded.stands, change_time = excluded.change_time
         WHERE known.change_time < excluded.change_time",
        uuid_at(change.change_time),
        change.id,
        change.kind.as_str(),
        sub,
        email,
        vendor_id,
        change.stands,
        change.change_time,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Blocks changes of holds until the transaction ends, so that the holds that it reads stay the same.
pub(super) async fn freeze(conn: &mut PgConnection) -> Result<(), DbError> {
    sqlx::query!("SELECT pg_advisory_xact_lock_shared(hashtextextended('holds', 0))").fetch_one(conn).await?;
    Ok(())
}

/// The holds of a kind that are in force for one of these identifiers.
pub async fn standing_holds(
    conn: &mut PgConnection,
    kind: HoldKind,
    subject: &Subject,
) -> Result<Vec<Uuid>, DbError> {
    let subs: Vec<_> = subject.subs.iter().cloned().collect();
    let emails: Vec<_> = subject.emails.iter().cloned().collect();
    let vendor_ids: Vec<_> = subject.vendor_ids.iter().cloned().collect();
    Ok(sqlx::query_scalar!(
        r#"SELECT hold_id AS "hold_id!" FROM runtime.holds WHERE owner_sub = ANY($2) AND kind = $1 AND stands
           UNION
           SELECT hold_id FROM runtime.holds WHERE email = ANY($3) AND kind = $1 AND stands
           UNION
           SELECT hold_id FROM runtime.holds WHERE stripe_customer = ANY($4) AND kind = $1 AND stands
           ORDER BY 1"#,
        kind.as_str(),
        &subs,
        &emails,
        &vendor_ids,
    )
    .fetch_all(conn)
    .await?)
}

/// The holds that are in force, after this one, in their order.
pub(crate) async fn standing_ids(
    conn: &mut PgConnection,
    after: Uuid,
    most: i64,
) -> Result<Vec<Uuid>, DbError> {
    Ok(sqlx::query_scalar!(
        r#"SELECT DISTINCT hold_id AS "hold_id!" FROM runtime.holds
           WHERE stands AND hold_id > $1
           ORDER BY 1
           LIMIT $2"#,
        after,
        most,
    )
    .fetch_all(conn)
    .await?)
}

/// The person of a hold, whether the hold is in force or not.
pub async fn subject_of_hold(conn: &mut PgConnection, id: Uuid) -> Result<Subject, DbError> {
    let rows = sqlx::query_as!(
        Row,
        "SELECT owner_sub, email, stripe_customer FROM runtime.holds WHERE hold_id = $1",
        id,
    )
    .fetch_all(conn)
    .await?;
    Ok(subject_of(rows))
}

/// The identifiers of all people under a hold.
pub(super) async fn held(conn: &mut PgConnection) -> Result<Subject, DbError> {
    let rows =
        sqlx::query_as!(Row, "SELECT owner_sub, email, stripe_customer FROM runtime.holds WHERE stands")
            .fetch_all(conn)
            .await?;
    Ok(subject_of(rows))
}

struct Row {
    owner_sub: Option<String>,
    email: Option<String>,
    stripe_customer: Option<String>,
}

fn subject_of(rows: Vec<Row>) -> Subject {
    let mut subject = Subject::default();
    for row in rows {
        subject.subs.extend(row.owner_sub);
        subject.emails.extend(row.email);
        subject.vendor_ids.extend(row.stripe_customer);
    }
    subject
}
