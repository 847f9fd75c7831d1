//! Makes deferred calls: claims them, calls, and settles each as done, to be tried again, or dead.

use std::{
    cmp::Ordering,
    sync::Arc,
    time::{Duration, Instant},
};

use chrono::TimeDelta;
use sqlx::PgConnection;
use tokio::sync::Notify;
use tonic::Status;
use tonic_types::StatusExt;
use tracing::{Instrument, Span};

use super::{
    count::{Counts, Outcome},
    places::{self, MOST_PER_TARGET, Place, Places, SEVERAL},
    store::{self, Claim, Claimed},
};
use crate::{
    access::{self, Host},
    chassis::Chassis,
    client::{Outgoing, call_raw},
    db::DbError,
    error::{ErrorCode, ServiceError},
    fail_point,
    service::{GivenUp, Service},
    shared_commit::{BatchWrite, NotWritten, SharedCommit},
    telemetry::{self, DeferredCall},
    work::{self, Fences, LEASE, MAX_ATTEMPTS, Source, TRY_TIMEOUT},
};

/// The longest pause that a receiver can ask for.
const MOST_ASKED: TimeDelta = TimeDelta::hours(6);
/// How long to wait before settling again.
const SETTLE_AGAIN: Duration = Duration::from_millis(250);

/// The source of a service's deferred calls.
pub struct Delivery<S> {
    service: Arc<S>,
    chassis: Chassis,
    fences: Fences,
    places: Places,
    done: SharedCommit<Done>,
    counts: Counts,
}

/// A claimed call with its place among those that are made.
pub struct Taken {
    call: Claimed,
    place: Place,
}

/// Settles calls that were made; those that end at the same time share a commit.
struct Done;

impl BatchWrite for Done {
    type Item = Claim;
    type Answer = bool;
    const OPERATION: &'static str = "DELETE";
    const TABLE: &'static str = "runtime.work";

    fn order(&self, one: &Claim, other: &Claim) -> Ordering {
        one.cmp(other)
    }

    async fn write(&self, conn: &mut PgConnection, items: &[Claim]) -> Result<Vec<bool>, DbError> {
        store::settle_done(conn, items).await
    }
}

impl<S: Service> Delivery<S> {
    /// Delivers what this service deferred.
    #[must_use]
    pub fn new(service: Arc<S>, chassis: Chassis) -> Self {
        let done = SharedCommit::new(&chassis.db, Done);
        let counts = Counts::new(&chassis.metrics);
        let places = Places::new(Arc::clone(&chassis.wakes.deferred));
        Self { service, chassis, fences: Fences::default(), places, done, counts }
    }

    async fn call(&self, call: &Claimed) -> Result<(), Status> {
        let unknown = || Status::unimplemented("this version does not know the RPC");
        let method = access::methods().by_path(&format!("/{}", call.rpc)).ok_or_else(unknown)?;
        let to = match &method.host {
            Host::Service(name) => name.as_str(),
            // An RPC that every service hosts is deferred to oneself.
            Host::Every { .. } => self.chassis.service,
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

    /// Settles, and again while the database is away and the lease still holds: so a short absence costs no second call.
    async fn settle_patiently(
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
        let mut conn = self.chassis.db.acquire().await?;
        let held = store::settle_retry(&mut conn, call, delay.as_seconds_f64(), failure).await?;
        fail_point::DEFERRED_PUT_OFF.reached();
        self.counts.settled(call, Outcome::Retry, held);
        if held {
            let attempts = call.attempts;
            tracing::info!(rpc = call.rpc, attempts, failure, "a deferred call will be tried again");
        }
        Ok(held)
    }

    async fn give_up(&self, call: &Claimed, failure: &str) -> Result<bool, DbError> {
        let mut tx = self.chassis.db.begin().await?;
        let held = store::settle_dead(&mut tx, call, failure).await?;
        if held {
            let (rpc, request, attempts) = (&call.rpc, &call.request, call.attempts);
            self.service.gave_up(&mut tx, &GivenUp { rpc, request, attempts, failure }).await?;
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

    /// One try; none where the call has had all of them and its workers ended before they could say so.
    async fn attempt(&self, call: &Claimed) -> Result<(), Status> {
        if call.attempts > MAX_ATTEMPTS {
            return Err(Status::internal("its workers ended in the middle of every try"));
        }
        let outcome = tokio::time::timeout(TRY_TIMEOUT, self.call(call)).await;
        outcome.unwrap_or_else(|_| Err(Status::deadline_exceeded("the try took too long")))
    }
}

impl<S: Service> Source for Delivery<S> {
    type Item = Taken;

    fn name(&self) -> &'static str {
        "deferred_calls"
    }

    fn concurrency(&self) -> usize {
        places::most(access::methods())
    }

    fn several(&self) -> usize {
        SEVERAL
    }

    fn wake(&self) -> Arc<Notify> {
        Arc::clone(&self.chassis.wakes.deferred)
    }

    async fn claim(&self, limit: i64) -> Result<Vec<Taken>, DbError> {
        let places = store::Places { most: MOST_PER_TARGET, left: self.places.left() };
        let mut conn = self.chassis.db.acquire().await?;
        let drawn = self.fences.draw();
        let claimed = store::claim(&mut conn, limit, LEASE.as_secs_f64(), &places, &drawn).await;
        let claimed = drawn.answered(claimed)?;
        // All at once, so that none is left without its place if we are stopped here.
        let taken: Vec<_> =
            claimed.into_iter().map(|call| Taken { place: self.places.take(&call.target), call }).collect();
        if !taken.is_empty() {
            fail_point::DEFERRED_CLAIMED.reached();
        }
        Ok(taken)
    }

    async fn process(&self, Taken { call, place }: Taken) {
        let told = DeferredCall {
            rpc: &call.rpc,
            id: call.work_id,
            attempts: call.attempts,
            trace_parent: &call.trace_parent,
        };
        let span = telemetry::deferred_span(self.chassis.service, &told);
        async {
            let outcome = self.attempt(&call).await;
            fail_point::DEFERRED_CALLED.reached();
            if let Err(status) = &outcome {
                telemetry::fail(&Span::current(), ErrorCode::from_grpc(status.code()).as_str());
            }
            // There is room for another call while what came of this one is written down.
            drop(place);
            match self.settle_patiently(&call, outcome).await {
                Ok(true) => fail_point::DEFERRED_SETTLED.reached(),
                Ok(false) => {
                    tracing::warn!(
                        rpc = call.rpc,
                        "the call is no longer leased to this worker; it changes nothing of it"
                    );
                }
                // The lease ends by itself, and the receiver knows the key.
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

/// What follows from a failure. An answer that will stay the same is final; a bug of ours (Internal) or keys that are
/// being rolled (Unauthenticated) may be mended within the three days of tries.
fn next(status: &Status, attempts: i32) -> Next {
    if attempts >= MAX_ATTEMPTS {
        return Next::Dead;
    }
    let code = ErrorCode::from_grpc(status.code());
    let mendable = matches!(code, ErrorCode::Internal | ErrorCode::Unauthenticated);
    if !code.retryable() && !mendable {
        return Next::Dead;
    }
    let asked = status.get_error_details().retry_info().and_then(|info| info.retry_delay);
    // Not for ever: three days of tries must stay days.
    let asked = asked.and_then(|delay| TimeDelta::from_std(delay).ok()).unwrap_or_default().min(MOST_ASKED);
    Next::Retry(work::backoff(attempts).max(asked))
}

/// Code and reason, no message: a message could name a person.
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
    fn permanent_answers_are_final_and_the_rest_is_tried_again() {
        for code in ErrorCode::ALL {
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
    fn the_receiver_may_ask_for_patience() {
        let mut details = tonic_types::ErrorDetails::new();
        details.set_retry_info(Some(std::time::Duration::from_mins(10)));
        let status = Status::with_error_details(Code::Unavailable, "", details);
        let Next::Retry(delay) = next(&status, 1) else { panic!("retry") };
        assert_eq!(delay, TimeDelta::seconds(600));
    }
}
