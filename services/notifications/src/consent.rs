//! Changes of the mails that a recipient gets. Each change is stored with its proof, and takes effect for the next mail that asks whether
//! it may go (`egress.rs`).

use chrono::{DateTime, Utc};
use levqor_proto_law::v1::IngestPermissionChangeRequest;
use levqor_runtime::{
    db::{DbError, Tx},
    deferred::defer,
    email::Email,
    objections::{ObjectionChange, ObjectionScope},
    privacy::{HoldChange, HoldKind, Subject, standing_holds},
    timestamp,
};

use crate::{
    domain::{
        address::AddressHash,
        newsletter::{PermissionChangeId, Topic},
        permit::PermissionState,
        suppression::{SuppressionId, SuppressionReason},
    },
    store::{
        messages::recipients,
        permission_changes::{self, Evidence},
        permissions,
        suppressions::{self, NewSuppression},
    },
};

/// What an address agreed to, and whether all advertising to it is stopped anyway.
pub(crate) struct Standing {
    granted: Vec<Topic>,
    is_stopped: bool,
}

impl Standing {
    /// Reads it.
    pub(crate) async fn of(conn: &mut sqlx::PgConnection, recipient: &AddressHash) -> Result<Self, DbError> {
        let granted = permissions::granted(conn, recipient).await?;
        let reasons = suppressions::of_address(conn, recipient).await?;
        let is_stopped = reasons
            .iter()
            .any(|(reason, _)| matches!(reason, SuppressionReason::Objection | SuppressionReason::Complaint));
        Ok(Self { granted, is_stopped })
    }

    /// The topics that the recipient gets mails about.
    pub(crate) fn on(&self) -> &[Topic] {
        if self.is_stopped { &[] } else { &self.granted }
    }
}

/// Adds topics to those that an address agreed to.
pub(crate) async fn grant(
    tx: &mut Tx,
    recipient: &AddressHash,
    topics: &[Topic],
    evidence: &Evidence<'_>,
) -> Result<(), DbError> {
    suppressions::hold(tx, recipient).await?;
    let standing = Standing::of(tx, recipient).await?;
    let wanted: Vec<_> = Topic::ALL
        .into_iter()
        .filter(|topic| topics.contains(topic) || standing.on().contains(topic))
        .collect();
    change(tx, recipient, &standing, &wanted, evidence).await?;
    Ok(())
}

/// Sets the topics that an address gets mails about. Returns the changes.
pub(crate) async fn set(
    tx: &mut Tx,
    recipient: &AddressHash,
    wanted: &[Topic],
    evidence: &Evidence<'_>,
) -> Result<Vec<PermissionChangeId>, DbError> {
    suppressions::hold(tx, recipient).await?;
    let standing = Standing::of(tx, recipient).await?;
    change(tx, recipient, &standing, wanted, evidence).await
}

async fn change(
    tx: &mut Tx,
    recipient: &AddressHash,
    standing: &Standing,
    wanted: &[Topic],
    evidence: &Evidence<'_>,
) -> Result<Vec<PermissionChangeId>, DbError> {
    let now = tx.now().await?;
    let mut changes = Vec::new();
    let mut agreed = false;
    for topic in Topic::ALL {
        let state = match (wanted.contains(&topic), standing.granted.contains(&topic)) {
            (true, is_granted) if !is_granted || standing.is_stopped => PermissionState::Granted,
            (false, true) => PermissionState::Withdrawn,
            (true, _) | (false, false) => continue,
        };
        agreed |= state == PermissionState::Granted;
        permissions::set(tx, recipient, topic, state, evidence.source, now).await?;
        let change = permission_changes::insert(tx, recipient, topic, state, evidence, now).await?;
        tell_ledger(tx, recipient, topic, state, evidence, change).await?;
        changes.push(change);
    }
    if agreed {
        suppressions::end_by_consent(tx, recipient, now).await?;
    }
    Ok(changes)
}

/// Defers a change to the consent ledger, which keeps the proof.
async fn tell_ledger(
    tx: &mut Tx,
    recipient: &AddressHash,
    topic: Topic,
    state: PermissionState,
    evidence: &Evidence<'_>,
    change: PermissionChangeId,
) -> Result<(), DbError> {
    let now = tx.now().await?;
    let address = recipients::address(tx, recipient).await?;
    let told = IngestPermissionChangeRequest {
        change_id: change.to_string(),
        address_hash: recipient.as_bytes().to_vec().into(),
        email: address.map(|address| address.as_str().to_owned()).unwrap_or_default(),
        category: topic.as_str().to_owned(),
        given: state == PermissionState::Granted,
        source: evidence.source.to_owned(),
        shown_text: evidence.shown_text.to_owned(),
        change_time: Some(timestamp(now)),
    };
    defer(tx, &told, format!("permission-change:{change}")).await
}

/// Applies a decision about advertising from the consent ledger. If it is older than the last change, it changes nothing.
pub(crate) async fn apply(
    tx: &mut Tx,
    recipient: &AddressHash,
    topic: Topic,
    state: PermissionState,
    shown_text: &str,
    change_time: DateTime<Utc>,
) -> Result<(), DbError> {
    suppressions::hold(tx, recipient).await?;
    let known = permissions::change_time(tx, recipient, topic).await?;
    if known.is_some_and(|known| known >= change_time) {
        return Ok(());
    }
    let evidence = Evidence { source: "consent_ledger", shown_text, subscription: None };
    permissions::set(tx, recipient, topic, state, evidence.source, change_time).await?;
    permission_changes::insert(tx, recipient, topic, state, &evidence, change_time).await?;
    if state == PermissionState::Granted {
        suppressions::end_by_consent(tx, recipient, change_time).await?;
    }
    Ok(())
}

/// Stops all advertising to a person who objects to it, or allows it again when the objection ends. An erasure of the address does
/// not delete the row of the suppression.
pub(crate) async fn objected(
    tx: &mut Tx,
    change: &ObjectionChange,
    hash: impl Fn(&Email) -> AddressHash,
) -> Result<(), DbError> {
    if change.scope != ObjectionScope::Marketing {
        return Ok(());
    }
    for email in &change.emails {
        let recipient_hash = hash(email);
        suppressions::hold(tx, &recipient_hash).await?;
        if !change.stands {
            suppressions::end_objection(tx, &recipient_hash).await?;
            continue;
        }
        let suppression = NewSuppression {
            id: SuppressionId::new_at(change.change_time),
            recipient: Some(email),
            recipient_hash,
            reason: SuppressionReason::Objection,
            evidence: "objection",
            create_time: change.change_time,
            until_time: None,
        };
        suppressions::put(tx, &suppression).await?;
    }
    Ok(())
}

/// Stops all advertising to a person while the processing of their data is restricted.
pub(crate) async fn held(
    tx: &mut Tx,
    change: &HoldChange,
    hash: impl Fn(&Email) -> AddressHash,
) -> Result<(), DbError> {
    if change.kind != HoldKind::Restriction {
        return Ok(());
    }
    let emails: Vec<Email> = change.subject.emails.iter().filter_map(|email| email.parse().ok()).collect();
    for email in &emails {
        let recipient_hash = hash(email);
        suppressions::hold(tx, &recipient_hash).await?;
        // Another restriction of the same person may be in force.
        let person = Subject { emails: [email.as_str().to_owned()].into(), ..Subject::default() };
        if standing_holds(tx, HoldKind::Restriction, &person).await?.is_empty() {
            suppressions::end_restriction(tx, &recipient_hash).await?;
            continue;
        }
        let suppression = NewSuppression {
            id: SuppressionId::new_at(change.change_time),
            recipient: Some(email),
            recipient_hash,
            reason: SuppressionReason::Restriction,
            evidence: "restriction",
            create_time: change.change_time,
            until_time: None,
        };
        suppressions::put(tx, &suppression).await?;
    }
    Ok(())
}
