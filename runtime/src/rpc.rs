//! What every RPC goes through on its way to its handler and back.

mod stream;

use std::{
    panic::AssertUnwindSafe,
    sync::{Arc, LazyLock},
    time::Duration,
};

use futures_util::FutureExt;
use prost::{Message, Name};
use tonic::{Request, Response, Status};

use crate::{
    access::Repeat,
    audit::reads::Reader,
    chassis::Chassis,
    context::Ctx,
    error::{ErrorCode, ServiceError, to_status},
    redact,
    server::Place,
    storable,
    summed::Summed,
};

pub use stream::{BrokenOff, Further, Messages, call_stream, call_upload};

/// A service's state: whatever its handlers need, the chassis among it.
pub trait State: Send + Sync + 'static {
    /// The chassis.
    fn chassis(&self) -> &Chassis;
}

/// A handler ended in a way that is no answer.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error("the call came without its context: the server stack is not in place")]
    NoContext,
    #[error("the handler panicked")]
    Panic,
}

impl ServiceError for Broken {
    fn code(&self) -> ErrorCode {
        ErrorCode::Internal
    }
    fn reason(&self) -> &'static str {
        "INTERNAL"
    }
}

/// Calls a handler with the context that the server stack made. One that changes something runs to its end though the client be
/// gone. What staff read of others' data is recorded before they get it. A failure is logged here, once.
pub async fn call<S, Req, Res, E, F, Fut>(
    state: &Arc<S>,
    request: Request<Req>,
    handler: F,
) -> Result<Response<Res>, Status>
where
    S: State,
    Req: Message + Name + Clone + 'static,
    Res: Message + 'static,
    E: ServiceError,
    F: FnOnce(Arc<S>, Ctx, Req) -> Fut + Send + 'static,
    Fut: Future<Output = Result<Res, E>> + Send + 'static,
{
    let chassis = state.chassis();
    let service = chassis.service;
    let (_, extensions, message) = request.into_parts();
    let Some(ctx) = extensions.get::<Ctx>().cloned() else {
        return Err(failure(service, &Broken::NoContext, &message));
    };
    if let Err(invalid) = storable::check(&ctx.method.descriptor.input(), &message.encode_to_vec()) {
        return Err(failure(service, &invalid, &message));
    }
    let place = extensions.get::<Place>().cloned();
    // Bodies are shared, not copied; it is encoded only where it has to be logged.
    let copy = message.clone();
    let repeat = ctx.method.repeat;
    let reader = Reader::of(&ctx).map(|reader| (reader, chassis.db.clone()));
    // Boxed: handlers' futures are large, and travel through several layers.
    let work = Box::pin(AssertUnwindSafe(handler(Arc::clone(state), ctx, message)).catch_unwind());
    let work = async move {
        // The place is kept until the work is done, not until the caller hangs up.
        let _place = place;
        match work.await {
            Ok(Ok(response)) => {
                if let Some((reader, db)) = reader {
                    let (request, shown) = (copy.encode_to_vec(), response.encode_to_vec());
                    let recorded = Box::pin(reader.record(&db, &request, &shown)).await;
                    recorded.map_err(|error| failure(service, &error, &copy))?;
                }
                Ok(Response::new(response))
            }
            Ok(Err(error)) => Err(failure(service, &error, &copy)),
            Err(_) => Err(failure(service, &Broken::Panic, &copy)),
        }
    };
    match repeat {
        Repeat::Safe => work.await,
        Repeat::Idempotent | Repeat::Unknown => chassis.tasks.keep(work).await,
    }
}

/// Notes that a call of nobody known was refused, such as a webhook with a forged signature: one line a second for each reason,
/// as anybody can send any number of them.
fn refused(service: &'static str, reason: &'static str) {
    static REFUSED: LazyLock<Summed<(&'static str, &'static str)>> = LazyLock::new(|| {
        Summed::new(Duration::from_secs(1), |reason, count| {
            tracing::info!(reason, count, "calls were refused");
        })
    });
    REFUSED.note((service, reason), reason);
}

fn failure<Req: Message + Name, E: ServiceError>(service: &'static str, error: &E, request: &Req) -> Status {
    let (code, reason) = (error.code(), error.reason());
    let shown: &(dyn std::error::Error + 'static) = error;
    match code.log_level() {
        tracing::Level::ERROR => {
            let request = redact::message(&Req::full_name(), &request.encode_to_vec());
            // A panic was reported where it happened.
            let panicked = matches!(shown.downcast_ref(), Some(Broken::Panic));
            let kind = if panicked { "panic" } else { "internal" };
            tracing::error!(error.type = kind, error.message = %error, error = shown, reason, %request, "the call failed");
        }
        tracing::Level::WARN => {
            tracing::warn!(error.message = %error, error = shown, reason, "the call failed");
        }
        _ if code == ErrorCode::Unauthenticated => refused(service, reason),
        _ => tracing::info!(reason, "the call was refused"),
    }
    to_status(service, error)
}
