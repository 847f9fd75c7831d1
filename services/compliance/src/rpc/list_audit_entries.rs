//! Lists the entries of all audit chains as one list, newest first. It works without `list`, because each service reads its own chain, and
//! their pages are merged.

use chrono::{DateTime, Utc};
use levqor_proto_compliance::v1::{AuditEntry, ListAuditEntriesRequest, ListAuditEntriesResponse};
use levqor_proto_runtime::v1::{self as runtime, ReadAuditChainRequest};
use levqor_runtime::{
    context::Ctx,
    db::Page,
    error::{Invalid, Violations},
    timestamp,
};
use uuid::Uuid;

use crate::{Compliance, error::Error, peers::Peers};

pub(super) async fn list_audit_entries(
    compliance: &Compliance,
    ctx: Ctx,
    request: ListAuditEntriesRequest,
) -> Result<ListAuditEntriesResponse, Error> {
    let peers = Peers::new(&compliance.chassis, &ctx.request_id);
    let page = page(&ctx, &request, &peers)?;
    let mut entries = Vec::new();
    for service in peers.names().filter(|name| request.service.is_empty() || request.service == *name) {
        let read = ReadAuditChainRequest {
            service: service.to_owned(),
            actor_sub: request.actor_sub.clone(),
            action: request.action.clone(),
            about_id: request.about_id.clone(),
            start_time: request.start_time,
            end_time: request.end_time,
            after_time: page.after_time().map(timestamp),
            after_audit_entry_id: page.after_id().map(|id| id.hyphenated().to_string()).unwrap_or_default(),
            limit: i32::try_from(page.limit()).unwrap_or(i32::MAX),
        };
        let found = peers.audit_entries(service, read).await?;
        entries.extend(found.into_iter().filter_map(|entry| Some((place(&entry)?, entry))));
    }
    entries.sort_by(|(one, _), (other, _)| other.cmp(one));
    let next_page_token = page.cut(&mut entries, |(place, _)| *place);
    let audit_entries = entries.into_iter().map(|(_, entry)| wire(entry)).collect();
    Ok(ListAuditEntriesResponse { audit_entries, next_page_token })
}

/// The page, if the service of the filter is one of the mesh.
fn page(ctx: &Ctx, request: &ListAuditEntriesRequest, peers: &Peers<'_>) -> Result<Page, Invalid> {
    let mut violations = Violations::new();
    violations.filter_time("start_time", request.start_time.as_ref());
    violations.filter_time("end_time", request.end_time.as_ref());
    if !request.service.is_empty() && peers.names().all(|name| name != request.service) {
        violations
            .add("service", format!("expected one of {}", peers.names().collect::<Vec<_>>().join(", ")));
    }
    let page = Page::parse(&mut violations, request, &ctx.scope());
    violations.finish(page)
}

/// The place of an entry in the list.
fn place(entry: &runtime::AuditEntry) -> Option<(DateTime<Utc>, Uuid)> {
    let time = entry.record_time.as_ref()?;
    let time = DateTime::from_timestamp(time.seconds, u32::try_from(time.nanos).ok()?)?;
    Some((time, Uuid::parse_str(&entry.audit_entry_id).ok()?))
}

fn wire(entry: runtime::AuditEntry) -> AuditEntry {
    let runtime::AuditEntry { audit_entry_id, service, sequence, record_time, actor, action, ids } = entry;
    AuditEntry { audit_entry_id, service, sequence, record_time, actor, action, ids }
}
