//! The gRPC server's stack: one pipeline, each step with its reason for standing where it stands.

mod admit;
mod deadline;
mod framing;
mod shed;
mod trace;

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status};
use tower::Service;

use self::{deadline::Deadline, shed::Shed, trace::Traced};

use crate::{
    access,
    metrics::{Metrics, calls::Calls},
    port::{self, Arrival, Handler, Limits},
};

pub use admit::Admission;
pub(crate) use framing::Undecodable;
pub(crate) use shed::Permit;

/// Calls that a service works on at once; more are refused, so that those within stay fast.
const MAX_CALLS: usize = 1024;
/// What every call passes, whether it is one of its own or comes through a tunnel.
pub(crate) struct Stack {
    admission: Admission,
    shed: Shed,
    calls: Calls,
}

impl Stack {
    /// The stack of a service.
    pub(crate) fn new(admission: Admission, metrics: &Metrics) -> Self {
        let shed = Shed::new(admission.service, MAX_CALLS);
        shed.show(metrics);
        Self { admission, shed, calls: Calls::server(metrics, access::methods()) }
    }

    /// The order in which a call passes, with the reason for each step's place.
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
        let path = request.uri().path();
        let traced = Traced::begin(self.admission.service, &self.calls, path, request.headers());
        let answer = traced.watch(self.admitted(&traced.request_id, request, work)).await;
        traced.end(answer.as_ref().map_or_else(Status::code, code));
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
        // Refuses what would only queue. Before any work is done, after the span, so that refusals are seen.
        let permit = self.shed.take()?;
        // From here on the caller's patience counts.
        let deadline = Deadline::of(request.uri().path(), request.headers());
        // Boxed: it is some kilobytes, and each layer around it would hold it twice and move it.
        let answer = Box::pin(async {
            // Who is calling, and may they: last, since it may have to fetch keys, and everything before it is cheap.
            let (path, headers) = (request.uri().path(), request.headers());
            let ctx = self.admission.admit(path, headers, request_id, deadline).await?;
            let extensions = request.extensions_mut();
            extensions.insert(permit);
            if let Some(ctx) = ctx {
                extensions.insert(ctx);
            }
            work(request).await
        });
        deadline.keep(answer).await
    }
}

/// Puts the stack around a service's routes.
pub(crate) fn around(stack: Arc<Stack>, routes: Router) -> Router {
    // One layer for all: each costs every call a copy of the routes and a future on the heap.
    routes.layer(middleware::from_fn_with_state(stack, pass))
}

async fn pass(State(stack): State<Arc<Stack>>, request: Request, next: Next) -> Response {
    // Streams carry their status in the trailers; what is known now is an error before the first message, or success.
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

/// Serves until told to stop, then answers what it has taken and returns.
pub async fn serve(listener: TcpListener, app: Router, stop: CancellationToken) {
    port::serve(listener, Limits::internal(), Routes(app), stop).await;
}

/// What stands behind a port of the mesh.
#[derive(Clone)]
struct Routes(Router);

impl Handler for Routes {
    fn answer(&self, request: Request, _: Arrival) -> impl Future<Output = Response> + Send + use<> {
        let mut routes = self.0.clone();
        async move {
            match routes.call(request).await {
                Ok(answer) => answer,
                Err(never) => match never {},
            }
        }
    }
}
