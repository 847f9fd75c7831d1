//! Takes the connections of a port.

use std::{
    io,
    net::SocketAddr,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::{Arrival, Handler, Limits, connection, table::Table};
use crate::tasks::Tasks;

/// How long to wait where no connection can be taken, as with too many open files.
const BREATH: Duration = Duration::from_millis(50);
/// How often it is said that connections are refused.
const SAY_EVERY: Duration = Duration::from_mins(1);

/// What every connection gets.
struct Port<H> {
    handler: H,
    limits: Limits,
    table: Table,
    stop: CancellationToken,
    tasks: Tasks,
    refusals: Refusals,
}

/// Serves until told to stop, then answers what it has taken and returns.
pub async fn serve<H: Handler>(listener: TcpListener, limits: Limits, handler: H, stop: CancellationToken) {
    let port = Port {
        handler,
        limits,
        table: Table::new(limits),
        stop: stop.clone(),
        tasks: Tasks::default(),
        refusals: Refusals::new(),
    };
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, from)) => port.take(stream, from),
                Err(error) => failed(&error).await,
            },
            () = stop.cancelled() => break,
        }
    }
    // Clients that have connected by now are served: closing the port would reset the connections that still wait behind it.
    match listener.into_std() {
        Ok(listener) => {
            while let Ok((stream, from)) = listener.accept() {
                match stream.set_nonblocking(true).and_then(|()| TcpStream::from_std(stream)) {
                    Ok(stream) => port.take(stream, from),
                    Err(error) => failed(&error).await,
                }
            }
        }
        Err(error) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "cannot serve the last connections");
        }
    }
    port.tasks.finish().await;
}

impl<H: Handler> Port<H> {
    fn take(&self, stream: TcpStream, from: SocketAddr) {
        let Some(entry) = self.table.enter(self.handler.counted_by(from.ip())) else {
            self.refusals.one();
            return;
        };
        let arrival = Arrival { from: from.ip(), reserved: entry.reserved };
        let (handler, stop) = (self.handler.clone(), self.stop.clone());
        self.tasks.spawn(connection::serve(stream, arrival, self.limits, handler, entry, stop));
    }
}

/// Connections that were closed at once. Said now and then: a line for each would be an attack of its own.
struct Refusals {
    begun: Instant,
    count: AtomicU64,
    /// When it was said last, in seconds after the beginning, plus one.
    said: AtomicU64,
}

impl Refusals {
    fn new() -> Self {
        Self { begun: Instant::now(), count: AtomicU64::new(0), said: AtomicU64::new(0) }
    }

    fn one(&self) {
        let count = self.count.fetch_add(1, Ordering::Relaxed) + 1;
        let now = self.begun.elapsed().as_secs() + 1;
        let said = self.said.load(Ordering::Relaxed);
        if said == 0 || now >= said + SAY_EVERY.as_secs() {
            self.said.store(now, Ordering::Relaxed);
            self.count.store(0, Ordering::Relaxed);
            tracing::warn!(count, "connections were refused: the limit in total or per address is reached");
        }
    }
}

async fn failed(error: &io::Error) {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    if matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset) {
        return;
    }
    tracing::warn!(error = error as &dyn std::error::Error, "cannot take a connection");
    tokio::time::sleep(BREATH).await;
}
