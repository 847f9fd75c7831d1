//! Reads entries of this service's audit chain, for compliance.

use chrono::{DateTime, Utc};
use levqor_proto_runtime::v1::{AuditEntry, ReadAuditChainRequest, ReadAuditChainResponse};
use uuid::Uuid;

use super::{Error, Hosted};
use crate::{
    audit::entries::{self, Entry, Filter},
    clock::timestamp,
    context::Ctx,
    error::{Invalid, Violations},
    rpc::State,
    service::Service,
};

/// The most entries of one answer: a page of a list, and one more entry, which shows that there is another page.
const MAX: i32 = 201;

pub(super) async fn read_audit_chain<S: Service>(
    hosted: &Hosted<S>,
    _: Ctx,
    request: ReadAuditChainRequest,
) -> Result<ReadAuditChainResponse, Error> {
    let Wanted { filter, after, limit } = Wanted::try_from(&request)?;
    let after = after.map(|(time, id)| (time, entries::bound(S::NAME, id)));
    let mut conn = hosted.chassis().db.acquire().await?;
    let found = entries::read(&mut conn, &filter, after, limit).await?;
    Ok(ReadAuditChainResponse {
        audit_entries: found.into_iter().map(|entry| wire(S::NAME, entry)).collect(),
    })
}

fn wire(service: &str, entry: Entry) -> AuditEntry {
    let ids = entry.ids.as_object().into_iter().flatten();
    let ids = ids.filter_map(|(name, id)| Some((name.clone(), id.as_str()?.to_owned())));
    AuditEntry {
        audit_entry_id: entries::id(service, entry.sequence).hyphenated().to_string(),
        service: service.to_owned(),
        sequence: entry.sequence,
        record_time: Some(timestamp(entry.record_time)),
        actor: entry.actor,
        action: entry.action,
        ids: ids.collect(),
    }
}

/// The query of compliance.
struct Wanted {
    filter: Filter,
    after: Option<(DateTime<Utc>, Uuid)>,
    limit: i64,
}

impl TryFrom<&ReadAuditChainRequest> for Wanted {
    type Error = Invalid;

    fn try_from(request: &ReadAuditChainRequest) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let text = |text: &String| (!text.is_empty()).then(|| text.clone());
        let filter = Filter {
            actor_sub: text(&request.actor_sub),
            action: text(&request.action),
            about_id: text(&request.about_id),
            from: violations.filter_time("start_time", request.start_time.as_ref()),
            until: violations.filter_time("end_time", request.end_time.as_ref()),
        };
        let after_time = violations.filter_time("after_time", request.after_time.as_ref());
        let after_id = Uuid::parse_str(&request.after_audit_entry_id).ok();
        if after_time.is_some() != after_id.is_some() {
            violations.add("after_audit_entry_id", "expected the id of an entry together with its time");
        }
        let limit = i64::from(request.limit.clamp(1, MAX));
        violations.finish(Some(Self { filter, after: after_time.zip(after_id), limit }))
    }
}
