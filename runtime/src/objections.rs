//! Objections of people (GDPR, article 21). Compliance sends each change to every service. So a service reads its own table before it acts,
//! and needs no answer from another service.

use chrono::{DateTime, Utc};
use levqor_proto_runtime::v1 as wire;
use sqlx::PgConnection;

use crate::{
    db::{DbError, Tx},
    email::Email,
    id::uuid_at,
    wire_enum,
};

wire_enum! {
    /// The uses that a person can object to.
    pub enum ObjectionScope: wire::ObjectionScope {
        /// Advertising.
        Marketing = "MARKETING",
        /// Profiling.
        Profiling = "PROFILING",
        /// Automation.
        Automation = "AUTOMATION",
        /// Statistics about persons.
        Analytics = "ANALYTICS",
    }
}

/// A change of an objection.
pub struct ObjectionChange {
    /// The identity provider's ids of the person.
    pub subs: Vec<String>,
    /// The addresses of the person.
    pub emails: Vec<Email>,
    /// The uses that the person objects to.
    pub scope: ObjectionScope,
    /// Whether the objection is in force from now on.
    pub stands: bool,
    /// When it changed.
    pub change_time: DateTime<Utc>,
}

/// Stores a change. Returns false if a newer change is stored.
pub(crate) async fn apply(tx: &mut Tx, change: &ObjectionChange) -> Result<bool, DbError> {
    let mut changed = 0;
    for sub in &change.subs {
        let put = sqlx::query!(
            "INSERT INTO runtime.objections AS known (objection_id, owner_sub, scope, stands, change_time)
             VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (owner_sub, scope) WHERE owner_sub IS NOT NULL DO UPDATE
             SET stands = excluded.stands, change_time = excluded.change_time
             WHERE known.change_time < excluded.change_time",
            uuid_at(change.change_time),
            sub,
            change.scope.as_str(),
            change.stands,
            change.change_time,
        );
        changed += put.execute(&mut **tx).await?.rows_affected();
    }
    for email in &change.emails {
        let put = sqlx::query!(
            "INSERT INTO runtime.objections AS known (objection_id, email, scope, stands, change_time)
             VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (email, scope) WHERE email IS NOT NULL DO UPDATE
             SET stands = excluded.stands, change_time = excluded.change_time
             WHERE known.change_time < excluded.change_time",
            uuid_at(change.change_time),
            email.as_str(),
            change.scope.as_str(),
            change.stands,
            change.change_time,
        );
        changed += put.execute(&mut **tx).await?.rows_affected();
    }
    Ok(changed > 0)
}

/// Whether the person with this id, or with this address, objects to this scope. A restriction of the processing counts as an objection to
/// everything.
pub async fn stands(
    conn: &mut PgConnection,
    scope: ObjectionScope,
    sub: Option<&str>,
    email: Option<&Email>,
) -> Result<bool, DbError> {
    Ok(sqlx::query_scalar!(
        r#"SELECT EXISTS (
               SELECT FROM runtime.objections WHERE owner_sub = $2 AND scope = $1 AND stands
           ) OR EXISTS (
               SELECT FROM runtime.objections WHERE email = $3 AND scope = $1 AND stands
           ) OR EXISTS (
               SELECT FROM runtime.holds WHERE owner_sub = $2 AND kind = 'RESTRICTION' AND stands
           ) OR EXISTS (
               SELECT FROM runtime.holds WHERE email = $3 AND kind = 'RESTRICTION' AND stands
           ) AS "stands!""#,
        scope.as_str(),
        sub,
        email.map(Email::as_str),
    )
    .fetch_one(conn)
    .await?)
}
