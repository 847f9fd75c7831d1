//! The RPCs that every service hosts: deferred calls and status.

mod get_status;
mod list_deferred_calls;
mod purge_expired;
mod replay_deferred_call;
mod test_error_reports;

use std::sync::Arc;

use levqor_proto_runtime::v1::{
    DeferredCall, GetStatusRequest, GetStatusResponse, ListDeferredCallsRequest, ListDeferredCallsResponse,
    PurgeExpiredRequest, PurgeExpiredResponse, ReplayDeferredCallRequest, ReplayDeferredCallResponse,
    TestErrorReportsRequest, TestErrorReportsResponse, status_service_server::StatusService,
    work_service_server::WorkService,
};
use prost_types::Timestamp;

use crate::{
    chassis::Chassis,
    db::DbError,
    deferred::store::{CallState, Row},
    error::Invalid,
    idempotency::IdempotencyError,
    lifecycle::Readiness,
    rpc::State,
    rpcs,
    schedule::Schedule,
    service::{Capability, Service},
    service_error,
    telemetry::{self, ErrorReports, NotArrived},
};

/// The state of the hosted RPCs.
pub(crate) struct Hosted<S> {
    pub(crate) service: Arc<S>,
    pub(crate) readiness: Readiness,
    pub(crate) schedules: Vec<Schedule>,
    pub(crate) error_reports: Option<ErrorReports>,
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
        list_deferred_calls(ListDeferredCallsRequest) -> ListDeferredCallsResponse;
        replay_deferred_call(ReplayDeferredCallRequest) -> ReplayDeferredCallResponse;
        purge_expired(PurgeExpiredRequest) -> PurgeExpiredResponse;
    }
}

rpcs! {
    impl<S: Service> StatusService for Adapter<S> {
        get_status(GetStatusRequest) -> GetStatusResponse;
        test_error_reports(TestErrorReportsRequest) -> TestErrorReportsResponse;
    }
}

service_error! {
    /// The errors of the hosted RPCs.
    #[derive(Debug, thiserror::Error)]
    pub(crate) enum Error {
        #[error(transparent)]
        Invalid(#[from] Invalid) => source,
        #[error("there is no such deferred call; one that was made is gone")]
        NoSuchCall => NotFound "NO_SUCH_DEFERRED_CALL",
        #[error("the deferred call is being made at this moment; see what becomes of it")]
        CallUnderWay => Aborted "DEFERRED_CALL_UNDER_WAY" after 5 s,
        #[error(transparent)]
        NotArrived(#[from] NotArrived) => Unavailable "ERROR_REPORTS_UNAVAILABLE",
        #[error(transparent)]
        Idempotency(#[from] IdempotencyError) => source,
        #[error(transparent)]
        Database(#[from] DbError) => source,
    }
}

impl From<Row> for DeferredCall {
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

/// The protobuf form of an instant.
#[must_use]
pub fn timestamp(time: chrono::DateTime<chrono::Utc>) -> Timestamp {
    Timestamp {
        seconds: time.timestamp(),
        nanos: i32::try_from(time.timestamp_subsec_nanos()).unwrap_or_default(),
    }
}
