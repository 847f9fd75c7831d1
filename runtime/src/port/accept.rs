//! Accepts the connections of a port.

use std::{io, net::SocketAddr, time::Duration};

use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::{Arrival, Handler, Limits, connection, table::Table};
use crate::{summed::Summed, tasks::Tasks};

/// The pause after a failed accept, for example with too many open files.
const PAUSE: Duration = Duration::from_millis(50);
/// How often refused connections are logged.
const LOG_EVERY: Duration = Duration::from_mins(1);

struct Port<H> {
    handler: H,
    limits: Limits,
    table: Table,
    stop: CancellationToken,
    tasks: Tasks,
    /// Counts connections that are closed at once. An attacker could flood the log with one line per connection.
    refusals: Summed<()>,
}

/// Serves until `stop` is cancelled, then answers the open requests and returns.
pub async fn serve<H: Handler>(listener: TcpListener, limits: Limits, handler: H, stop: CancellationToken) {
    let port = Port {
        handler,
        limits,
        table: Table::new(limits),
        stop: stop.clone(),
        tasks: Tasks::default(),
        refusals: Summed::new(LOG_EVERY, |_, count| {
            tracing::warn!(count, "connections were refused: the limit in total or per address is reached");
        }),
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
    // Serves clients that have already connected: closing the port would reset the connections in its backlog.
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
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "cannot accept the connections that wait at the stopping port"
            );
        }
    }
    port.tasks.finish().await;
}

impl<H: Handler> Port<H> {
    fn take(&self, stream: TcpStream, from: SocketAddr) {
        let Some(entry) = self.table.enter(self.handler.counted_by(from.ip())) else {
            self.refusals.note((), "the table is full");
            return;
        };
        let arrival = Arrival { from: from.ip(), reserved: entry.reserved, peer: None };
        let (handler, stop) = (self.handler.clone(), self.stop.clone());
        self.tasks.spawn(connection::serve(stream, arrival, self.limits, handler, entry, stop));
    }
}

async fn failed(error: &io::Error) {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    if matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset) {
        return;
    }
    tracing::warn!(error = error as &dyn std::error::Error, "cannot accept a connection");
    tokio::time::sleep(PAUSE).await;
}
