//! The RPCs that every service hosts: deferred calls, status, the guard of mails, the personal data of one person, the audit chain, and the
//! ledger of erasures.

mod apply_hold;
mod apply_objection;
mod apply_retention;
mod count_subject;
mod describe_tables;
mod erase_subject;
mod export_subject;
mod get_digest;
mod get_ended_holds;
mod get_recorded_erasure_ids;
mod get_recorded_erasures;
mod get_standing_hold_ids;
mod get_status;
mod list_deferred_calls;
mod preview_erasure;
mod purge_expired;
mod read_audit_chain;
mod rectify_subject;
mod replay_deferred_call;
mod resolve_subject;
mod still_wanted;
mod subject;
mod test_error_reports;
mod verify_audit_chain;

use std::sync::Arc;

use levqor_proto_runtime::v1::{
    self as wire, audit_chain_service_server::AuditChainService, digest_service_server::DigestService,
    guard_service_server::GuardService, ledger_service_server::LedgerService,
    privacy_service_server::PrivacyService, status_service_server::StatusService,
    work_service_server::WorkService,
};
use uuid::Uuid;

use crate::{
    chassis::Chassis,
    clock::timestamp,
    db::DbError,
    deferred::store::{CallState, Row},
    error::Invalid,
    guard::GuardError,
    id,
    idempotency::IdempotencyError,
    lifecycle::Readiness,
    privacy::{CatalogueError, LedgerError},
    rpc::State,
    rpcs,
    schedule::Schedule,
    service::{Capability, Recipient, Service},
    service_error,
    storage::StorageError,
    telemetry::{self, ErrorReports, NotArrived},
};

/// The state of the hosted RPCs.
pub(crate) struct Hosted<S> {
    pub(crate) service: Arc<S>,
    pub(crate) readiness: Readiness,
    pub(crate) schedules: Vec<Schedule>,
    pub(crate) error_reports: Option<ErrorReports>,
    pub(crate) recipients: Vec<Recipient>,
}

impl<S: Service> State for Hosted<S> {
    fn chassis(&self) -> &Chassis {
        self.service.chassis()
    }
}

/// The tonic adapter: one line per RPC.
pub(crate) struct Adapter<S>(pub(crate) Arc<Hosted<S>>);

rpcs! {
    impl<S: Service> WorkService for Adapter<S> {
        list_deferred_calls(wire::ListDeferredCallsRequest) -> wire::ListDeferredCallsResponse;
        replay_deferred_call(wire::ReplayDeferredCallRequest) -> wire::ReplayDeferredCallResponse;
        purge_expired(wire::PurgeExpiredRequest) -> wire::PurgeExpiredResponse;
    }
}

rpcs! {
    impl<S: Service> StatusService for Adapter<S> {
        get_status(wire::GetStatusRequest) -> wire::GetStatusResponse;
        test_error_reports(wire::TestErrorReportsRequest) -> wire::TestErrorReportsResponse;
    }
}

rpcs! {
    impl<S: Service> DigestService for Adapter<S> {
        get_digest(wire::GetDigestRequest) -> wire::GetDigestResponse;
    }
}

rpcs! {
    impl<S: Service> GuardService for Adapter<S> {
        still_wanted(wire::StillWantedRequest) -> wire::StillWantedResponse;
    }
}

rpcs! {
    impl<S: Service> PrivacyService for Adapter<S> {
        resolve_subject(wire::ResolveSubjectRequest) -> wire::ResolveSubjectResponse;
        preview_erasure(wire::PreviewErasureRequest) -> wire::PreviewErasureResponse;
        erase_subject(wire::EraseSubjectRequest) -> wire::EraseSubjectResponse;
        count_subject(wire::CountSubjectRequest) -> wire::CountSubjectResponse;
        describe_tables(wire::DescribeTablesRequest) -> wire::DescribeTablesResponse;
        apply_retention(wire::ApplyRetentionRequest) -> wire::ApplyRetentionResponse;
        apply_objection(wire::ApplyObjectionRequest) -> wire::ApplyObjectionResponse;
        apply_hold(wire::ApplyHoldRequest) -> wire::ApplyHoldResponse;
        get_standing_hold_ids(wire::GetStandingHoldIdsRequest) -> wire::GetStandingHoldIdsResponse;
        rectify_subject(wire::RectifySubjectRequest) -> wire::RectifySubjectResponse;
    }
    streams {
        export_subject(wire::ExportSubjectRequest) -> wire::ExportSubjectResponse;
    }
}

rpcs! {
    impl<S: Service> AuditChainService for Adapter<S> {
        read_audit_chain(wire::ReadAuditChainRequest) -> wire::ReadAuditChainResponse;
        verify_audit_chain(wire::VerifyAuditChainRequest) -> wire::VerifyAuditChainResponse;
    }
}

rpcs! {
    impl<S: Service> LedgerService for Adapter<S> {
        get_recorded_erasure_ids(wire::GetRecordedErasureIdsRequest) -> wire::GetRecordedErasureIdsResponse;
        get_recorded_erasures(wire::GetRecordedErasuresRequest) -> wire::GetRecordedErasuresResponse;
        get_ended_holds(wire::GetEndedHoldsRequest) -> wire::GetEndedHoldsResponse;
    }
}

service_error! {
    /// The errors of the hosted RPCs.
    #[derive(Debug, thiserror::Error)]
    pub(crate) enum Error {
        #[error(transparent)]
        Invalid(#[from] Invalid) => source,
        #[error("there is no such deferred call; a call that succeeded is deleted")]
        NoSuchCall => NotFound "NO_SUCH_DEFERRED_CALL",
        #[error("the deferred call is in progress; look at its result in a few seconds")]
        CallUnderWay => Aborted "DEFERRED_CALL_UNDER_WAY" after 5 s,
        #[error(transparent)]
        NotArrived(#[from] NotArrived) => Unavailable "ERROR_REPORTS_UNAVAILABLE",
        #[error(transparent)]
        Guard(#[from] GuardError) => source,
        #[error("the rows of this person have changed since the approved preview")]
        PreviewStale => FailedPrecondition "ERASURE_PREVIEW_STALE",
        #[error("a legal hold on this person is in force")]
        Held => FailedPrecondition "LEGAL_HOLD",
        #[error(transparent)]
        Catalogue(#[from] CatalogueError) => source,
        #[error(transparent)]
        Ledger(#[from] LedgerError) => source,
        #[error(transparent)]
        Storage(#[from] StorageError) => source,
        #[error(transparent)]
        Idempotency(#[from] IdempotencyError) => source,
        #[error(transparent)]
        Database(#[from] DbError) => source,
    }
}

/// The most ids of one request.
const MOST_IDS: usize = 100;

/// Reads the id of `what`.
fn read_id(field: &str, text: &str, what: &str) -> Result<Uuid, Invalid> {
    id::parse(text).map_err(|_| Invalid::of(field, format!("expected the id of {what} (a UUID)")))
}

/// Reads a list of ids.
fn read_ids(field: &str, texts: &[String], what: &str) -> Result<Vec<Uuid>, Invalid> {
    let ids: Option<Vec<_>> = texts.iter().map(|text| Uuid::parse_str(text).ok()).collect();
    let expected = || Invalid::of(field, format!("expected at most {MOST_IDS} ids of {what} (UUIDs)"));
    ids.filter(|ids| ids.len() <= MOST_IDS).ok_or_else(expected)
}

impl From<Row> for wire::DeferredCall {
    fn from(row: Row) -> Self {
        Self {
            deferred_call_id: row.work_id.hyphenated().to_string(),
            rpc: row.rpc,
            idempotency_key: row.idempotency_key,
            state: row.state.parse().unwrap_or(CallState::Waiting).into(),
            due_time: Some(timestamp(row.due_time)),
            create_time: Some(timestamp(row.create_time)),
            attempts: row.attempts,
            failure: row.failure,
            trace_id: row.trace_parent.split('-').nth(1).unwrap_or_default().to_owned(),
        }
    }
}

/// The capabilities of a service and of its process' telemetry.
pub(crate) fn capabilities<S: Service>(service: &S) -> Vec<Capability> {
    let mut capabilities = service.capabilities();
    capabilities.extend(telemetry::capabilities());
    capabilities
}
