//! The evidence that a data request was answered, for staff: compliance's own facts, the entries of all audit chains, and the sent mails.
//! It has neither the address of the person nor their data.

use std::time::Duration;

use chrono::{DateTime, Utc};
use levqor_proto_notifications::v1::{
    ListMessagesRequest, Message, notifications_service_client::NotificationsServiceClient,
};
use levqor_proto_runtime::v1::{AuditEntry, ReadAuditChainRequest};
use levqor_runtime::{
    audit,
    context::{Ctx, Scope},
    db,
};
use prost_types::Timestamp;
use serde_json::{Value, json};
use sqlx::PgConnection;

use crate::{
    Compliance,
    domain::{
        data_request::{DataRequest, DataRequestId},
        evidence::{EvidenceFile, pack},
        objection::Objected,
    },
    error::Error,
    mails,
    peers::{PeerError, Peers},
    store::{
        audit_checks, data_exports, data_request_codes, data_request_extensions, data_request_refusals,
        data_requests, erasures,
    },
};

/// How long to wait for each answer of notifications.
const TIMEOUT: Duration = Duration::from_secs(5);
/// How many entries of a chain are read at once.
const PAGE: i32 = 200;

impl Compliance {
    /// Makes the evidence of a data request, as a ZIP. The caller is staff; that it was made is recorded.
    pub(crate) async fn evidence(&self, ctx: &Ctx, id: DataRequestId) -> Result<Vec<u8>, Error> {
        let mut conn = self.chassis.db.acquire().await?;
        let found = data_requests::get(&mut conn, &Scope::All, id).await?;
        let request = found.ok_or(Error::DataRequestNotFound)?;
        let now = db::now(&mut conn).await?;
        let what = request_file(&mut conn, &request).await?;
        let peers = Peers::new(&self.chassis, &ctx.request_id);
        let services: Vec<_> = peers.names().map(str::to_owned).collect();
        let checks = audit_checks::last_of(&mut conn, &services).await?;
        drop(conn);
        let mut unanswered = Vec::new();
        let history = history(&peers, id, &mut unanswered).await;
        let notices = self.notices(ctx, id).await.unwrap_or_else(|| {
            unanswered.push("the mails of notifications".to_owned());
            Vec::new()
        });
        let files = [
            EvidenceFile {
                path: "request.json",
                description: "The request: its states and times, the check of identity, the extension, the copy, and the erasure with its receipts",
                content: what,
            },
            EvidenceFile {
                path: "history.json",
                description: "Who did what, by the audit chains of all services, and the last check of each chain. People have pseudonyms",
                content: json!({"entries": history, "checks": checks.iter().map(check).collect::<Vec<_>>()}),
            },
            EvidenceFile {
                path: "notices.json",
                description: "The mails about the request, besides those with codes, and what became of them",
                content: json!(notices),
            },
        ];
        let packed = pack(id, now, &files, &unanswered)?;
        let mut tx = self.chassis.db.begin().await?;
        let about = id.to_string();
        let ids = [("data_request_id", about.as_str())];
        audit::append(&mut tx, &ctx.actor, "data_request.evidence", &ids).await?;
        tx.commit().await?;
        Ok(packed)
    }

    /// The mails about a request, read from notifications with the caller's rights. `None` without an answer.
    async fn notices(&self, ctx: &Ctx, id: DataRequestId) -> Option<Vec<Value>> {
        let token = ctx.user_token.as_ref()?;
        let (chassis, request_id) = (&self.chassis, &ctx.request_id);
        let mut notices = Vec::new();
        for &step in mails::STEPS {
            let request =
                ListMessagesRequest { about: mails::about(id, step), ..ListMessagesRequest::default() };
            let listed = chassis.ask_as(
                token,
                "notifications",
                request_id,
                TIMEOUT,
                request,
                async |channel, request| {
                    NotificationsServiceClient::new(channel).list_messages(request).await
                },
            );
            notices.extend(listed.await.ok()?.messages.iter().map(notice));
        }
        Some(notices)
    }
}

/// Compliance's own facts about a request.
async fn request_file(conn: &mut PgConnection, request: &DataRequest) -> Result<Value, Error> {
    let extension = data_request_extensions::get(conn, request.id).await?;
    let refusal = data_request_refusals::get(conn, request.id).await?;
    let codes = data_request_codes::history(conn, request.id).await?;
    let export = data_exports::get(conn, request.id).await?;
    let erasure = erasures::get(conn, request.id).await?;
    let approval = erasures::approval(conn, request.id).await?;
    Ok(json!({
        "data_request_id": request.id.to_string(),
        "right": request.entitlement.as_str(),
        "state": request.state.as_str(),
        "create_time": time(request.create_time),
        "due_time": request.due_time.map(time),
        "erase_time": request.erase_time.map(time),
        "finish_time": request.finish_time.map(time),
        "obstacles": request.obstacles,
        "declared": request.entitlement.is_declaration().then(|| json!({
            "objection_scope": request.declared.objected.map(Objected::as_str),
            "objection_ends": request.declared.ends,
            "withdrawn": request.declared.withdrawn.iter().map(|purpose| purpose.as_str()).collect::<Vec<_>>(),
            "shown_version": request.declared.shown.version,
            "shown_sha256": request.declared.shown.sha256,
        })),
        "identity": {
            "proven_by": request.origin.as_str(),
            "codes": codes.iter().map(|code| json!({
                "purpose": code.purpose,
                "create_time": time(code.create_time),
                "tries": code.tries,
                "use_time": code.use_time.map(time),
            })).collect::<Vec<_>>(),
        },
        "extension": extension.map(|(extended, reasons)| json!({
            "extend_time": time(extended),
            "reasons": reasons,
        })),
        "refusal": refusal.map(|(refused, reasons)| json!({
            "refuse_time": time(refused),
            "reasons": reasons,
        })),
        "copy": export.map(|copy| json!({
            "state": copy.state.as_str(),
            "row_count": copy.size.rows,
            "file_count": copy.size.files,
            "size_bytes": copy.size.bytes,
            "ready_time": copy.ready_time.map(time),
            "delete_time": time(copy.delete_time),
            "download_count": copy.download_count,
        })),
        "erasure": erasure.zip(approval).map(|(erasure, approval)| json!({
            "step": erasure.progress.as_str(),
            "preview_sha256": approval.preview_hash,
            "approve_time": time(approval.approve_time),
            "begin_time": approval.begin_time.map(time),
            "complete_time": approval.complete_time.map(time),
            "receipts": erasure.receipts,
            "kept": erasure.kept,
        })),
    }))
}

/// The entries of all audit chains about a request, the oldest first. A service without an answer is named.
async fn history(peers: &Peers<'_>, id: DataRequestId, unanswered: &mut Vec<String>) -> Vec<Value> {
    let mut entries = Vec::new();
    for service in peers.names() {
        match entries_of(peers, service, id).await {
            Ok(found) => entries.extend(found),
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "a service did not give the entries of its audit chain");
                unanswered.push(service.to_owned());
            }
        }
    }
    let place = |entry: &AuditEntry| {
        let time = entry.record_time.unwrap_or_default();
        (time.seconds, time.nanos, entry.service.clone(), entry.sequence)
    };
    entries.sort_by_key(place);
    entries.iter().map(shown).collect()
}

async fn entries_of(
    peers: &Peers<'_>,
    service: &str,
    id: DataRequestId,
) -> Result<Vec<AuditEntry>, PeerError> {
    let mut entries: Vec<AuditEntry> = Vec::new();
    loop {
        let last = entries.last();
        let read = ReadAuditChainRequest {
            service: service.to_owned(),
            about_id: id.to_string(),
            after_time: last.and_then(|last| last.record_time),
            after_audit_entry_id: last.map(|last| last.audit_entry_id.clone()).unwrap_or_default(),
            limit: PAGE,
            ..ReadAuditChainRequest::default()
        };
        let found = peers.audit_entries(service, read).await?;
        let is_last = i32::try_from(found.len()).unwrap_or(PAGE) < PAGE;
        entries.extend(found);
        if is_last {
            return Ok(entries);
        }
    }
}

fn shown(entry: &AuditEntry) -> Value {
    json!({
        "service": entry.service,
        "sequence": entry.sequence,
        "record_time": entry.record_time.map(told),
        "actor": entry.actor,
        "action": entry.action,
        "ids": entry.ids,
    })
}

fn check(check: &audit_checks::LastCheck) -> Value {
    json!({
        "service": check.service,
        "state": check.state,
        "last_sequence": check.last_sequence,
        "last_hash": hex::encode(&check.last_hash),
        "check_time": time(check.check_time),
    })
}

/// A mail, without its recipient and its text.
fn notice(message: &Message) -> Value {
    json!({
        "message_id": message.message_id,
        "template": message.template,
        "about": message.about,
        "state": message.state().as_str_name(),
        "provider": message.provider,
        "provider_message_id": message.provider_message_id,
        "create_time": message.create_time.map(told),
        "send_time": message.send_time.map(told),
        "delivery_outcome": message.delivery_outcome().as_str_name(),
        "delivery_outcome_time": message.delivery_outcome_time.map(told),
    })
}

fn time(time: DateTime<Utc>) -> String {
    time.to_rfc3339()
}

fn told(time: Timestamp) -> String {
    time.to_string()
}
