//! The RPCs that every service hosts: work that is put off, and how the service is.

mod get_status;
mod list_deferred_calls;
mod purge_expired;
mod replay_deferred_call;
mod test_error_reports;
mod tunnel;

use std::{sync::Arc, time::Duration};

use levqor_proto_runtime::v1::{
    DeferredCall, GetStatusRequest, GetStatusResponse, ListDeferredCallsRequest, ListDeferredCallsResponse,
    PurgeExpiredRequest, PurgeExpiredResponse, ReplayDeferredCallRequest, ReplayDeferredCallResponse,
    TestErrorReportsRequest, TestErrorReportsResponse, deferred_call, status_service_server::StatusService,
    work_service_server::WorkService,
};
use prost_types::Timestamp;
use tonic::{Request, Response, Status, async_trait};

use crate::{
    chassis::Chassis,
    db::DbError,
    deferred::store::Row,
    error::{ErrorCode, Invalid, ServiceError, Violation},
    idempotency::IdempotencyError,
    lifecycle::Readiness,
    rpc::{State, call},
    schedule::Schedule,
    service::Service,
    telemetry::{ErrorReports, NotArrived},
};

pub use tunnel::Tunnelled;
pub(crate) use tunnel::Tunnels;

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

#[async_trait]
impl<S: Service> WorkService for Adapter<S> {
    async fn list_deferred_calls(
        &self,
        request: Request<ListDeferredCallsRequest>,
    ) -> Result<Response<ListDeferredCallsResponse>, Status> {
        call(&self.0, request, list_deferred_calls::list_deferred_calls).await
    }

    async fn replay_deferred_call(
        &self,
        request: Request<ReplayDeferredCallRequest>,
    ) -> Result<Response<ReplayDeferredCallResponse>, Status> {
        call(&self.0, request, replay_deferred_call::replay_deferred_call).await
    }

    async fn purge_expired(
        &self,
        request: Request<PurgeExpiredRequest>,
    ) -> Result<Response<PurgeExpiredResponse>, Status> {
        call(&self.0, request, purge_expired::purge_expired).await
    }
}

#[async_trait]
impl<S: Service> StatusService for Adapter<S> {
    async fn get_status(
        &self,
        request: Request<GetStatusRequest>,
    ) -> Result<Response<GetStatusResponse>, Status> {
        call(&self.0, request, get_status::get_status).await
    }

    async fn test_error_reports(
        &self,
        request: Request<TestErrorReportsRequest>,
    ) -> Result<Response<TestErrorReportsResponse>, Status> {
        call(&self.0, request, test_error_reports::test_error_reports).await
    }
}

/// What can go wrong with the hosted RPCs.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Invalid(#[from] Invalid),
    #[error("there is no such deferred call; one that was made is gone")]
    NoSuchCall,
    #[error("the deferred call is being made at this moment; see what becomes of it")]
    CallUnderWay,
    #[error(transparent)]
    NotArrived(#[from] NotArrived),
    #[error(transparent)]
    Idempotency(#[from] IdempotencyError),
    #[error(transparent)]
    Database(#[from] DbError),
}

impl ServiceError for Error {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Invalid(error) => error.code(),
            Self::NoSuchCall => ErrorCode::NotFound,
            Self::CallUnderWay => ErrorCode::Aborted,
            Self::NotArrived(_) => ErrorCode::Unavailable,
            Self::Idempotency(error) => error.code(),
            Self::Database(error) => error.code(),
        }
    }
    fn reason(&self) -> &'static str {
        match self {
            Self::Invalid(error) => error.reason(),
            Self::NoSuchCall => "NO_SUCH_DEFERRED_CALL",
            Self::CallUnderWay => "DEFERRED_CALL_UNDER_WAY",
            Self::NotArrived(_) => "ERROR_REPORTS_UNAVAILABLE",
            Self::Idempotency(error) => error.reason(),
            Self::Database(error) => error.reason(),
        }
    }
    fn violations(&self) -> &[Violation] {
        match self {
            Self::Invalid(error) => error.violations(),
            Self::NoSuchCall
            | Self::CallUnderWay
            | Self::NotArrived(_)
            | Self::Idempotency(_)
            | Self::Database(_) => &[],
        }
    }
    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Idempotency(error) => error.retry_after(),
            Self::Database(error) => error.retry_after(),
            Self::CallUnderWay => Some(Duration::from_secs(5)),
            Self::Invalid(_) | Self::NoSuchCall | Self::NotArrived(_) => None,
        }
    }
}

impl From<Row> for DeferredCall {
    fn from(row: Row) -> Self {
        let state = match row.state.as_str() {
            "DEAD" => deferred_call::State::Dead,
            _ => deferred_call::State::Waiting,
        };
        Self {
            deferred_call_id: row.work_id.hyphenated().to_string(),
            rpc: row.rpc,
            idempotency_key: row.idempotency_key,
            state: state.into(),
            due_time: Some(timestamp(row.due_time)),
            create_time: Some(timestamp(row.create_time)),
            attempts: row.attempts,
            failure: row.failure,
            trace_id: row.trace_parent.split('-').nth(1).unwrap_or_default().to_owned(),
        }
    }
}

/// An instant as protobuf writes it.
#[must_use]
pub fn timestamp(time: chrono::DateTime<chrono::Utc>) -> Timestamp {
    Timestamp {
        seconds: time.timestamp(),
        nanos: i32::try_from(time.timestamp_subsec_nanos()).unwrap_or_default(),
    }
}
