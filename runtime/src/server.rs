//! The gRPC server's stack: one pipeline, each layer with its reason for standing where it stands.

mod admit;
mod deadline;
mod open;
mod shed;
mod trace;

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    middleware::{self, Next},
    response::Response,
};
use futures_util::FutureExt;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use self::{deadline::Deadline, open::Answer, shed::Shed, trace::Traced};

use crate::{
    access,
    metrics::{Metrics, calls::Calls},
};

pub use admit::Admission;
pub use open::OpenCalls;
pub(crate) use shed::Place;

/// Calls that a service works on at once; more are refused, so that those within stay fast.
const MAX_CALLS: usize = 1024;
/// How long, on the way out, connections may stay that were told to close, once nothing is left to answer: a client that is
/// well has closed its own by then, or asked again what it had begun to ask.
const GOODBYE_PATIENCE: Duration = Duration::from_secs(3);

/// Puts the stack around a service's routes; it counts the calls that are open.
pub fn stack(routes: Router, admission: Arc<Admission>, metrics: &Metrics, open: OpenCalls) -> Router {
    let shed = Shed::new(MAX_CALLS);
    shed.show(metrics);
    let calls = Calls::server(metrics, access::methods());
    let stack = Arc::new(Stack { admission, open, shed, calls });
    // One layer for all: each costs every call a copy of the routes and a future on the heap.
    routes.layer(middleware::from_fn_with_state(stack, pass))
}

struct Stack {
    admission: Arc<Admission>,
    open: OpenCalls,
    shed: Shed,
    calls: Calls,
}

/// The order in which a call passes, with the reason for each step's place.
async fn pass(State(stack): State<Arc<Stack>>, mut request: Request, next: Next) -> Response {
    // Before anything else: as long as it is open, it is waited for.
    let open = stack.open.begin();
    // The span is outermost, so that every line of the log below it carries the trace id, and every call is timed.
    let traced = Traced::begin(&stack.admission, &stack.calls, &mut request);
    // A panic below becomes an answer. Outside of it nothing of ours can panic but the span.
    let answer = AssertUnwindSafe(stack.answer(request, next)).catch_unwind();
    let answer = answer.map(|answer| answer.unwrap_or_else(|_| trace::panic_answer()));
    let response = answer.instrument(traced.span()).await;
    traced.end(&response);
    response.map(|body| Body::new(Answer { body, _open: open }))
}

impl Stack {
    async fn answer(&self, mut request: Request, next: Next) -> Response {
        // Refuses what would only queue. Before any work is done, after the span, so that refusals are seen.
        let Some(place) = self.shed.take() else { return shed::refusal() };
        request.extensions_mut().insert(place);
        // From here on the caller's patience counts.
        let deadline = Deadline::of(&request);
        request.extensions_mut().insert(deadline);
        let admitted = async {
            // Who is calling, and may they: last, since it may have to fetch keys, and everything before it is cheap.
            match self.admission.admit(request).await {
                Ok(request) => next.run(request).await,
                Err(refusal) => refusal,
            }
        };
        deadline.keep(admitted).await
    }
}

/// Serves until told to stop, then answers what it has taken and returns. Clients that do not hear it, and have nothing open,
/// are not waited for.
pub async fn serve(
    listener: TcpListener,
    app: Router,
    open: OpenCalls,
    stop: CancellationToken,
) -> std::io::Result<()> {
    use axum::serve::ListenerExt;
    // Small answers must not wait for more to send.
    let listener = listener.tap_io(|stream| {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(error = &error as &dyn std::error::Error, "cannot set TCP_NODELAY");
        }
    });
    let goodbye = async {
        stop.cancelled().await;
        open.idle_for(GOODBYE_PATIENCE).await;
    };
    tokio::select! {
        ended = axum::serve(listener, app).with_graceful_shutdown(stop.clone().cancelled_owned()).into_future() => ended,
        () = goodbye => Ok(()),
    }
}
