//! The server stack: the steps that every gRPC call passes, with the reason for their order.

mod admit;
mod deadline;
mod framing;

use std::{panic::AssertUnwindSafe, sync::Arc};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use futures_util::FutureExt;
use tokio::{
    net::TcpListener,
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status};
use tower::Service;
use tracing::Instrument;

use self::deadline::Deadline;

use crate::{
    access,
    error::to_status,
    id,
    metrics::{Metrics, calls::Calls},
    port::{self, Arrival, Handler, Limits},
    service_error, summed, telemetry,
    tls::{Acceptor, PeerName},
};

pub use admit::Admission;
pub(crate) use framing::Undecodable;

/// The most concurrent calls of a service. Further calls are refused, so that the accepted calls stay fast.
const MAX_CALLS: usize = 1024;

service_error! {
    #[derive(Debug, thiserror::Error)]
    enum Shed {
        #[error("the service is busy; try again in a moment")]
        Busy => Unavailable "BUSY" after 1 s,
    }
}

/// The permit of a call. Work that continues after its caller has gone keeps it.
#[derive(Clone)]
pub(crate) struct Permit {
    _permit: Arc<OwnedSemaphorePermit>,
}

/// The steps that every call passes, with or without a tunnel.
pub(crate) struct Stack {
    admission: Admission,
    permits: Arc<Semaphore>,
    calls: Calls,
}

impl Stack {
    pub(crate) fn new(admission: Admission, metrics: &Metrics) -> Self {
        let permits = Arc::new(Semaphore::new(MAX_CALLS));
        metrics.show_permits(&permits);
        Self { admission, permits, calls: Calls::server(metrics, access::methods()) }
    }

    /// Runs the steps in their order. A comment gives the reason for the position of each step.
    pub(crate) async fn pass<B, T, F>(
        &self,
        request: http::Request<B>,
        work: impl FnOnce(http::Request<B>) -> F,
        code: impl FnOnce(&T) -> Code,
    ) -> Result<T, Status>
    where
        F: Future<Output = Result<T, Status>>,
    {
        // The span is outermost, so that every line of the log below it carries the trace id, and every call is timed.
        let (path, headers) = (request.uri().path(), request.headers());
        let request_id = id::request_id_of(headers);
        let span = telemetry::rpc_server_span(self.admission.service, path, headers, &request_id);
        let timer = self.calls.begin(path);
        // A panic becomes an answer. Outside of this future only the span itself could panic.
        let answer = AssertUnwindSafe(self.admitted(&request_id, request, work)).catch_unwind();
        let answer = answer.map(|answer| answer.unwrap_or_else(|_| Err(panicked())));
        let answer = answer.instrument(span.clone()).await;
        let code = answer.as_ref().map_or_else(Status::code, code);
        telemetry::record_served(&span, code);
        span.in_scope(|| timer.end(code));
        answer
    }

    async fn admitted<B, T, F>(
        &self,
        request_id: &str,
        mut request: http::Request<B>,
        work: impl FnOnce(http::Request<B>) -> F,
    ) -> Result<T, Status>
    where
        F: Future<Output = Result<T, Status>>,
    {
        // Refuses a call that would have to wait. After the span, so that refusals are recorded; before all other work.
        let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() else {
            summed::shed(self.admission.service);
            return Err(to_status("mesh", &Shed::Busy));
        };
        // The deadline of the caller begins here.
        let deadline = Deadline::of(request.uri().path(), request.headers());
        // Boxed, because the future has some kilobytes, and each layer around it would hold and move a copy.
        let answer = Box::pin(async {
            // Checks who is calling, and whether they may. Last, because it may have to fetch keys, and all steps before are cheap.
            let (path, headers) = (request.uri().path(), request.headers());
            let peer = request.extensions().get::<PeerName>();
            let ctx = self.admission.admit(path, headers, peer, request_id, deadline).await?;
            let extensions = request.extensions_mut();
            extensions.insert(Permit { _permit: Arc::new(permit) });
            if let Some(ctx) = ctx {
                extensions.insert(ctx);
            }
            work(request).await
        });
        deadline.keep(answer).await
    }
}

/// `rpc::call` catches handlers' panics, with their context. This answers all other panics.
fn panicked() -> Status {
    tracing::error!(error.type = "panic", "the server stack panicked");
    Status::internal("something went wrong on our side; the failure was recorded")
}

/// Puts the stack around a service's routes.
pub(crate) fn around(stack: Arc<Stack>, routes: Router) -> Router {
    // One layer for all steps: each layer costs every call a copy of the routes and a future on the heap.
    routes.layer(middleware::from_fn_with_state(stack, pass))
}

async fn pass(State(stack): State<Arc<Stack>>, request: Request, next: Next) -> Response {
    // A stream has its status in the trailers. Here only an error before the first message is known.
    let code = |response: &Response| {
        let code = response.headers().get("grpc-status");
        code.map_or(Code::Ok, |value| Code::from_bytes(value.as_bytes()))
    };
    let service = stack.admission.service;
    let work = |request| async {
        let request = framing::break_off(request);
        Ok(framing::blame_caller(service, next.run(request).await))
    };
    let answer = stack.pass(request, work, code).await;
    answer.unwrap_or_else(|status| status.into_http::<Body>().into_response())
}

/// Serves until `stop` is cancelled, then answers the accepted calls and returns.
pub async fn serve(listener: TcpListener, app: Router, stop: CancellationToken) {
    serve_mesh(listener, app, None, stop).await;
}

/// The same, for processes of the mesh alone where there is an acceptor.
pub(crate) async fn serve_mesh(
    listener: TcpListener,
    app: Router,
    acceptor: Option<Acceptor>,
    stop: CancellationToken,
) {
    port::serve(listener, Limits::internal(), Routes { app, acceptor }, stop).await;
}

#[derive(Clone)]
struct Routes {
    app: Router,
    acceptor: Option<Acceptor>,
}

impl Handler for Routes {
    fn acceptor(&self) -> Option<&Acceptor> {
        self.acceptor.as_ref()
    }

    fn answer(
        &self,
        mut request: Request,
        arrival: Arrival,
    ) -> impl Future<Output = Response> + Send + use<> {
        let mut routes = self.app.clone();
        if let Some(peer) = arrival.peer {
            request.extensions_mut().insert(peer);
        }
        async move {
            match routes.call(request).await {
                Ok(answer) => answer,
                Err(never) => match never {},
            }
        }
    }
}
