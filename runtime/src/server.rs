//! The gRPC server's stack: one pipeline, each layer with its reason for standing where it stands.

mod admit;
mod deadline;
mod shed;
mod trace;

use std::sync::Arc;

use axum::{Router, middleware};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower_http::catch_panic::CatchPanicLayer;

use crate::{
    access,
    metrics::{Metrics, calls::Calls},
};

pub use admit::Admission;
pub(crate) use shed::Place;

/// Calls that a service works on at once; more are refused, so that those within stay fast.
const MAX_CALLS: usize = 1024;

/// Puts the stack around a service's routes. Read from the bottom up: that is the order in which a call passes.
pub fn stack(routes: Router, admission: Arc<Admission>, metrics: &Metrics) -> Router {
    let shed = shed::Shed::new(MAX_CALLS);
    shed.show(metrics);
    let calls = Calls::server(metrics, access::methods());
    routes
        // Who is calling, and may they: last, since it may have to fetch keys, and everything before it is cheap.
        .layer(middleware::from_fn_with_state(Arc::clone(&admission), admit::admit))
        // From here on the caller's patience counts.
        .layer(middleware::from_fn(deadline::deadline))
        // Refuses what would only queue. Before any work is done, after the span, so that refusals are seen.
        .layer(middleware::from_fn_with_state(shed, shed::shed))
        // A panic below becomes an answer. Outside of it nothing of ours can panic but the span.
        .layer(CatchPanicLayer::custom(trace::panic_answer))
        // The span is outermost, so that every line of the log below it carries the trace id, and every call is timed.
        .layer(middleware::from_fn_with_state((admission, calls), trace::trace))
}

/// Serves until told to stop, then answers what it has taken and returns.
pub async fn serve(listener: TcpListener, app: Router, stop: CancellationToken) -> std::io::Result<()> {
    use axum::serve::ListenerExt;
    // Small answers must not wait for more to send.
    let listener = listener.tap_io(|stream| {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(error = &error as &dyn std::error::Error, "cannot set TCP_NODELAY");
        }
    });
    axum::serve(listener, app).with_graceful_shutdown(stop.cancelled_owned()).await
}
