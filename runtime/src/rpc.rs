//! What every RPC goes through on its way to its handler and back.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::FutureExt;
use prost::{Message, Name};
use tokio::time::timeout;
use tonic::{Request, Response, Status};
use tracing::Instrument;

use crate::{
    access::Repeat,
    chassis::Chassis,
    context::Ctx,
    error::{ErrorCode, ServiceError, to_status},
    redact,
    server::Place,
};

/// A service's state: whatever its handlers need, the chassis among it.
pub trait State: Send + Sync + 'static {
    /// The chassis.
    fn chassis(&self) -> &Chassis;
}

/// How long a handler may take that its caller cannot cancel: longer than any deadline. What takes longer waits for a server
/// that vanished without a word.
const AT_MOST: Duration = Duration::from_mins(5);

/// A handler ended in a way that is no answer.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error("the call came without its context: the server stack is not in place")]
    NoContext,
    #[error("the handler panicked")]
    Panic,
    #[error("the handler was cut off: it would have held its place for ever")]
    Stuck,
}

impl ServiceError for Broken {
    fn code(&self) -> ErrorCode {
        ErrorCode::Internal
    }
    fn reason(&self) -> &'static str {
        "INTERNAL"
    }
}

/// Calls a handler: with the context that the server stack made, in a task of its own where it changes something, so
/// that it runs to its end though the client be gone. A failure is logged here, once.
pub async fn call<S, Req, Res, E, F, Fut>(
    state: &Arc<S>,
    request: Request<Req>,
    handler: F,
) -> Result<Response<Res>, Status>
where
    S: State,
    Req: Message + Name + Clone + 'static,
    Res: Send + 'static,
    E: ServiceError,
    F: FnOnce(Arc<S>, Ctx, Req) -> Fut + Send + 'static,
    Fut: Future<Output = Result<Res, E>> + Send + 'static,
{
    let chassis = state.chassis();
    let (_, extensions, message) = request.into_parts();
    let Some(ctx) = extensions.get::<Ctx>().cloned() else {
        return Err(failure(chassis.service, &Broken::NoContext, &message));
    };
    let place = extensions.get::<Place>().cloned();
    // Bodies are shared, not copied; it is encoded only where it has to be logged.
    let copy = message.clone();
    let repeat = ctx.method.repeat;
    // Boxed: handlers' futures are large, and travel through several layers.
    let work = Box::pin(AssertUnwindSafe(handler(Arc::clone(state), ctx, message)).catch_unwind());
    let outcome = match repeat {
        Repeat::Safe => work.await.map_err(|_| Broken::Panic),
        Repeat::Idempotent | Repeat::Unknown => {
            let work = async move {
                // The place is kept until the work is done, not until the caller hangs up.
                let _place = place;
                timeout(AT_MOST, work).await
            };
            let task = chassis.tasks.spawn(work.in_current_span());
            match task.await {
                Ok(Ok(outcome)) => outcome.map_err(|_| Broken::Panic),
                Ok(Err(_)) => Err(Broken::Stuck),
                Err(_) => Err(Broken::Panic),
            }
        }
    };
    match outcome {
        Ok(Ok(response)) => Ok(Response::new(response)),
        Ok(Err(error)) => Err(failure(chassis.service, &error, &copy)),
        Err(broken) => Err(failure(chassis.service, &broken, &copy)),
    }
}

fn failure<Req: Message + Name, E: ServiceError>(service: &str, error: &E, request: &Req) -> Status {
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
        _ => tracing::info!(reason, "the call was refused"),
    }
    to_status(service, error)
}
