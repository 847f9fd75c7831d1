//! Delivers deferred calls: claims them, makes them, and settles each as done, retry or dead.

use std::{
    cmp::Ordering,
    sync::Arc,
    time::{Duration, Instant},
};

use chrono::TimeDelta;
use prost_reflect::DynamicMessage;
use sqlx::PgConnection;
use tokio::sync::Notify;
use tonic::Status;
use tonic_types::StatusExt;
use tracing::{Instrument, Span};

use super::{
    count::{Counts, Outcome},
    given_up::{GivenUp, OnGivenUp},
    notice::{self, Dead},
    permits::{self, MOST_PER_TARGET, Permit, Permits, SEVERAL},
    store::{self, Claim, Claimed},
};
use crate::{
    access::{self, Host, Method},
    chassis::Chassis,
    client::{Outgoing, call_raw},
    db::DbError,
    error::{ErrorCode, ServiceError},
    fail_point,
    shared_commit::{BatchWrite, NotWritten, SharedCommit},
    telemetry,
    work::{self, Fences, LEASE, MAX_ATTEMPTS, Source, TRY_TIMEOUT},
};

/// The longest pause that a receiver can request.
const MOST_ASKED: TimeDelta = TimeDelta::hours(6);
/// How long to wait before a second attempt to settle.
const SETTLE_AGAIN: Duration = Duration::from_millis(250);

/// The source of a service's deferred calls.
pub struct Delivery {
    chassis: Chassis,
    on_given_up: OnGivenUp,
    fences: Fences,
    permits: Permits,
    done: SharedCommit<Done>,
    counts: Counts,
}

/// A claimed call with its permit.
pub struct Permitted {
    call: Claimed,
    permit: Permit,
}

/// The service that a request names in this field. Empty if it names none.
fn routed(method: &Method, field: &str, request: &[u8]) -> String {
    let request = DynamicMessage::decode(method.descriptor.input(), request).ok();
    let named = request.and_then(|request| request.get_field_by_name(field)?.as_str().map(str::to_owned));
    named.unwrap_or_default()
}

/// Settles calls that were made. Calls that end at the same time share a commit.
struct Done;

impl BatchWrite for Done {
    type Item = Claim;
    type Written = bool;
    const OPERATION: &'static str = "DELETE";
    const TABLE: &'static str = "runtime.work";

    fn order(&self, one: &Claim, other: &Claim) -> Ordering {
        one.cmp(other)
    }

    async fn write(&self, conn: &mut PgConnection, items: &[Claim]) -> Result<Vec<bool>, DbError> {
        store::settle_done(conn, items).await
    }
}

impl Delivery {
    /// Delivers the deferred calls of the service with this chassis.
    #[must_use]
    pub(crate) fn new(chassis: Chassis, on_given_up: OnGivenUp) -> Self {
        let done = SharedCommit::new(&chassis.db, Done);
        let counts = Counts::new(&chassis.metrics);
        let permits = Permits::new(Arc::clone(&chassis.wakes.deferred));
        Self { chassis, on_given_up, fences: Fences::default(), permits, done, counts }
    }

    async fn call(&self, call: &Claimed) -> Result<(), Status> {
        let unknown = || Status::unimplemented("this version does not know the RPC");
        let method = access::methods().by_path(&format!("/{}", call.rpc)).ok_or_else(unknown)?;
        let named;
        let to = match &method.host {
            Host::Service(name) => name.as_str(),
            // Without a name in the request, a service defers an RPC that every service hosts to itself.
            Host::Every { routed_by } => {
                named = routed(method, routed_by, &call.request);
                if named.is_empty() { self.chassis.service } else { named.as_str() }
            }
        };
        let channel =
            self.chassis.channels.get(to).ok_or_else(|| Status::unavailable("no address is set"))?;
        let token = self.chassis.tokens.mint(self.chassis.service, to);
        let token = token.map_err(|_| Status::internal("cannot sign a service token"))?;
        let outgoing = Outgoing {
            bearer: Some(&token),
            request_id: &call.work_id.simple().to_string(),
            idempotency_key: Some(&call.idempotency_key),
            timeout: TRY_TIMEOUT,
        };
        let request = outgoing.request(bytes::Bytes::copy_from_slice(&call.request));
        call_raw(channel, method.path.clone(), request).await.map(|_| ())
    }

    /// Settles the call, and tries again while the database is unavailable and the lease still holds. So a short outage causes no
    /// second call.
    async fn settle_within_timeout(
        &self,
        call: &Claimed,
        outcome: Result<(), Status>,
    ) -> Result<bool, NotWritten> {
        let begun = Instant::now();
        loop {
            match self.settle(call, &outcome).await {
                Err(error)
                    if error.code() == ErrorCode::Unavailable
                        && begun.elapsed() < LEASE.saturating_sub(TRY_TIMEOUT) =>
                {
                    tokio::time::sleep(SETTLE_AGAIN).await;
                }
                settled => return settled,
            }
        }
    }

    async fn settle(&self, call: &Claimed, outcome: &Result<(), Status>) -> Result<bool, NotWritten> {
        match outcome {
            Ok(()) => {
                let held = self.done.write(call.claim()).await?;
                self.counts.settled(call, Outcome::Done, held);
                Ok(held)
            }
            Err(status) => {
                let settled = self.settle_failed(call, status).await;
                settled.map_err(|error| NotWritten::Database(Arc::new(error)))
            }
        }
    }

    async fn settle_failed(&self, call: &Claimed, status: &Status) -> Result<bool, DbError> {
        let failure = failure_text(status);
        match next(status, call.attempts) {
            Next::Retry(delay) => self.put_off(call, delay, &failure).await,
            Next::Dead => self.give_up(call, &failure).await,
        }
    }

    async fn put_off(&self, call: &Claimed, delay: TimeDelta, failure: &str) -> Result<bool, DbError> {
        let mut tx = self.chassis.db.begin_work().await?;
        let held = store::settle_retry(&mut tx, call, delay.as_seconds_f64(), failure).await?;
        tx.commit().await?;
        fail_point::DEFERRED_PUT_OFF.reached();
        self.counts.settled(call, Outcome::Retry, held);
        if held {
            let attempts = call.attempts;
            tracing::info!(rpc = call.rpc, attempts, failure, "a deferred call will be retried");
        }
        Ok(held)
    }

    async fn give_up(&self, call: &Claimed, failure: &str) -> Result<bool, DbError> {
        let mut tx = self.chassis.db.begin_work().await?;
        let held = store::settle_dead(&mut tx, call, failure).await?;
        if held {
            let (rpc, request, attempts) = (&call.rpc, &call.request, call.attempts);
            (self.on_given_up)(&mut tx, &GivenUp { rpc, request, attempts, failure }).await?;
            let (service, id, fence) = (self.chassis.service, call.work_id.into(), call.fence);
            notice::send_dead(&mut tx, &Dead { service, id, fence, rpc, attempts, failure }).await?;
        }
        tx.commit().await?;
        self.counts.settled(call, Outcome::Dead, held);
        if held {
            tracing::error!(
                rpc = call.rpc,
                deferred_call.id = %call.work_id,
                attempts = call.attempts,
                failure,
                "a deferred call is dead"
            );
        }
        Ok(held)
    }

    /// Makes one attempt. Makes none if the call has used all its attempts and its workers ended before they could settle it.
    async fn attempt(&self, call: &Claimed) -> Result<(), Status> {
        if call.attempts > MAX_ATTEMPTS {
            return Err(Status::internal("in every attempt the worker ended before the call"));
        }
        let outcome = tokio::time::timeout(TRY_TIMEOUT, self.call(call)).await;
        outcome.unwrap_or_else(|_| Err(Status::deadline_exceeded("the attempt took too long")))
    }
}

impl Source for Delivery {
    type Item = Permitted;

    fn name(&self) -> &'static str {
        "deferred_calls"
    }

    fn concurrency(&self) -> usize {
        permits::most(access::methods())
    }

    fn several(&self) -> usize {
        SEVERAL
    }

    fn wake(&self) -> Arc<Notify> {
        Arc::clone(&self.chassis.wakes.deferred)
    }

    async fn claim(&self, limit: i64) -> Result<Vec<Permitted>, DbError> {
        let limits = store::ClaimLimits { most: MOST_PER_TARGET, left: self.permits.left() };
        let mut tx = self.chassis.db.begin_work().await?;
        let drawn = self.fences.draw();
        let claimed = async {
            let claimed = store::claim(&mut tx, limit, LEASE.as_secs_f64(), &limits, &drawn).await?;
            tx.commit().await.map(|()| claimed)
        };
        let claimed = claimed.await;
        let claimed = drawn.answered(claimed)?;
        // There is no `await` between the permits, so that a cancellation leaves no call without its permit.
        let taken: Vec<_> = claimed
            .into_iter()
            .map(|call| Permitted { permit: self.permits.take(&call.target), call })
            .collect();
        if !taken.is_empty() {
            fail_point::DEFERRED_CLAIMED.reached();
        }
        Ok(taken)
    }

    async fn process(&self, Permitted { call, permit }: Permitted) {
        let (service, id, attempts) = (self.chassis.service, call.work_id, call.attempts);
        let span = telemetry::deferred_span(service, &call.rpc, id, attempts, &call.trace_parent);
        async {
            let outcome = self.attempt(&call).await;
            fail_point::DEFERRED_CALLED.reached();
            if let Err(status) = &outcome {
                telemetry::fail(&Span::current(), ErrorCode::from_grpc(status.code()).as_str());
            }
            // Another call may start while this one is settled.
            drop(permit);
            match self.settle_within_timeout(&call, outcome).await {
                Ok(true) => fail_point::DEFERRED_SETTLED.reached(),
                Ok(false) => {
                    tracing::warn!(
                        rpc = call.rpc,
                        "the call is no longer leased to this worker, so the worker does not change it"
                    );
                }
                // The lease expires, and the receiver has stored the key.
                Err(error) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "cannot settle a deferred call");
                }
            }
        }
        .instrument(span)
        .await;
    }
}

enum Next {
    Retry(TimeDelta),
    Dead,
}

/// Decides what happens after a failure. A permanent failure is final. A bug of ours (Internal) or a key rotation (Unauthenticated) may be
/// fixed within the three days of attempts, so the call is retried.
fn next(status: &Status, attempts: i32) -> Next {
    if attempts >= MAX_ATTEMPTS {
        return Next::Dead;
    }
    let code = ErrorCode::from_grpc(status.code());
    let fixable = matches!(code, ErrorCode::Internal | ErrorCode::Unauthenticated);
    if !code.retryable() && !fixable {
        return Next::Dead;
    }
    let asked = status.get_error_details().retry_info().and_then(|info| info.retry_delay);
    // Limits the pause, so that the attempts end after about three days.
    let asked = asked.and_then(|delay| TimeDelta::from_std(delay).ok()).unwrap_or_default().min(MOST_ASKED);
    Next::Retry(work::backoff(attempts).max(asked))
}

/// Code and reason without the message: a message could name a person.
fn failure_text(status: &Status) -> String {
    let details = status.get_error_details();
    let reason = details.error_info().map(|info| info.reason.clone()).unwrap_or_default();
    let fields: Vec<_> = details
        .bad_request()
        .map(|bad| bad.field_violations.iter().map(|violation| violation.field.clone()).collect())
        .unwrap_or_default();
    let text = format!("{} {reason} {}", ErrorCode::from_grpc(status.code()).as_str(), fields.join(","));
    text.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use tonic::Code;

    use super::*;

    #[test]
    fn a_permanent_failure_is_final_and_other_failures_are_retried() {
        for &code in ErrorCode::ALL {
            let status = Status::new(code.grpc_code(), "");
            let dead = matches!(next(&status, 1), Next::Dead);
            let expected = matches!(
                code,
                ErrorCode::InvalidArgument
                    | ErrorCode::PermissionDenied
                    | ErrorCode::NotFound
                    | ErrorCode::AlreadyExists
                    | ErrorCode::FailedPrecondition
            );
            assert_eq!(dead, expected, "{code:?}");
            assert!(matches!(next(&status, MAX_ATTEMPTS), Next::Dead), "{code:?}");
        }
        assert!(matches!(next(&Status::unimplemented(""), 1), Next::Retry(_)));
    }

    #[test]
    fn the_receiver_can_set_the_time_of_the_retry() {
        let mut details = tonic_types::ErrorDetails::new();
        details.set_retry_info(Some(std::time::Duration::from_mins(10)));
        let status = Status::with_error_details(Code::Unavailable, "", details);
        let Next::Retry(delay) = next(&status, 1) else { panic!("retry") };
        assert_eq!(delay, TimeDelta::seconds(600));
    }
}
