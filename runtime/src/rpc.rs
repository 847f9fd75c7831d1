//! The steps of every RPC before and after its handler, and the functions `list` and `mutate` that handlers use.

mod list;
mod mutate;
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
    server::Permit,
    service_error, storable,
    summed::Summed,
};

pub use list::list;
pub use mutate::{Done, mutate};
pub use stream::{BrokenOff, Further, Messages, call_stream, call_upload};

/// The answer to a call, as the generated traits want it.
pub type Answered<T> = Result<Response<T>, Status>;

/// The state of a service: everything that its handlers need, and the chassis.
pub trait State: Send + Sync + 'static {
    fn chassis(&self) -> &Chassis;
}

/// A handler: an async function of the service's state, the call's context and the request.
pub trait Handler<'a, S: 'a, Req, Res, E>: FnOnce(&'a S, Ctx, Req) -> Self::Future {
    /// Its response.
    type Future: Future<Output = Result<Res, E>> + Send + 'a;
}

impl<'a, S, Req, Res, E, F, Fut> Handler<'a, S, Req, Res, E> for F
where
    S: 'a,
    F: FnOnce(&'a S, Ctx, Req) -> Fut,
    Fut: Future<Output = Result<Res, E>> + Send + 'a,
{
    type Future = Fut;
}

/// Implements a gRPC service: one line per RPC, such as `get_lamp(GetLampRequest) -> GetLampResponse;`, which calls the handler of that
/// name in the module of that name. `uploads` have a streaming request, and `streams` a streaming response.
#[macro_export]
macro_rules! rpcs {
    (
        impl $(<$S:ident: $Bound:path>)? $Service:ident for $Rpc:ty {
            $($rpc:ident($Request:ty) -> $Response:ty;)+
        }
        $(uploads {
            $($upload:ident($Upload:ty) -> $Uploaded:ty;)+
        })?
        $(streams {
            $($stream:ident($Asked:ty) -> $Message:ty;)+
        })?
    ) => {
        #[$crate::reexport::tonic::async_trait]
        impl $(<$S: $Bound>)? $Service for $Rpc {
            $(
                async fn $rpc(&self, request: $crate::reexport::tonic::Request<$Request>) -> $crate::rpc::Answered<$Response> {
                    $crate::rpc::call(&self.0, request, $rpc::$rpc).await
                }
            )+
            $($(
                async fn $upload(
                    &self,
                    request: $crate::reexport::tonic::Request<$crate::reexport::tonic::Streaming<$Upload>>,
                ) -> $crate::rpc::Answered<$Uploaded> {
                    $crate::rpc::call_upload(&self.0, request, $upload::$upload).await
                }
            )+)?
            $($(
                async fn $stream(
                    &self,
                    request: $crate::reexport::tonic::Request<$Asked>,
                ) -> $crate::rpc::Answered<$crate::rpc::Messages<$Message>> {
                    $crate::rpc::call_stream(&self.0, request, $stream::$stream).await
                }
            )+)?
        }
    };
}

service_error! {
    /// A handler ended without an answer.
    #[derive(Debug, thiserror::Error)]
    enum Broken {
        #[error("the call has no context: the server layers are missing")]
        NoContext => Internal "INTERNAL",
        #[error("the handler panicked")]
        Panic => Internal "INTERNAL",
        #[error("the stream was silent for too long")]
        Silent => DeadlineExceeded "STREAM_SILENT",
    }
}

/// Calls a handler with the context that the server stack made. A handler that changes data runs to its end even if the client
/// disconnects. A read of personal data by staff is recorded before they get the response. A failure is logged here, once.
pub async fn call<S, Req, Res, E, F>(state: &Arc<S>, request: Request<Req>, handler: F) -> Answered<Res>
where
    S: State,
    Req: Message + Name + Clone + 'static,
    Res: Message + 'static,
    E: ServiceError,
    F: for<'a> Handler<'a, S, Req, Res, E> + Send + 'static,
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
    let permit = extensions.get::<Permit>().cloned();
    // The copy shares the bytes of the message. It is encoded only if it must be logged.
    let copy = message.clone();
    let repeat = ctx.method.repeat;
    let reader = Reader::of(&ctx).map(|reader| (reader, chassis.db.clone()));
    let shared = Arc::clone(state);
    // Boxed: handlers' futures are large, and travel through several layers. The box names the handler in the stack of a panic.
    let future = async move { Box::pin(handler(&shared, ctx, message)).await };
    let work = async move {
        // The permit is kept until the work is done, not until the caller disconnects.
        let _permit = permit;
        match AssertUnwindSafe(future).catch_unwind().await {
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

/// Notes that a call from an unknown sender was refused: one line a second for each reason, since anybody can send any number.
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
