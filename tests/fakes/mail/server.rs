//! The fake's port: a thread that serves until it is dropped, and cuts connections on demand.

use std::{net::SocketAddr, sync::Arc, thread::JoinHandle};

use http::Request;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use levqor_runtime::testing::spawn;
use tokio::{
    net::{TcpListener, TcpSocket},
    sync::oneshot,
};

use super::Shared;

/// Cut the connection without an answer.
#[derive(Debug, thiserror::Error)]
#[error("cut on purpose")]
pub(super) struct Cut;

/// A socket that has an address and does not listen yet.
pub(super) fn bound(addr: SocketAddr) -> TcpSocket {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_reuseaddr(true).expect("the port of before");
    socket.bind(addr).expect("a port");
    socket
}

/// A thread that serves. A drop ends the thread and every connection.
pub(super) struct Serving {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Serving {
    pub(super) fn start(addr: SocketAddr, shared: Arc<Shared>) -> (SocketAddr, Self) {
        let socket = bound(addr);
        let addr = socket.local_addr().expect("an address");
        let (stop, stopped) = oneshot::channel();
        let (ready, listens) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(async {
                let listener = socket.listen(1024).expect("it listens");
                ready.send(()).expect("somebody waits");
                tokio::select! {
                    () = serve(listener, shared) => {}
                    _ = stopped => {}
                }
            });
        });
        listens.recv().expect("the server listens");
        (addr, Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(ended.is_ok() || std::thread::panicking(), "the fake mail provider panicked");
        }
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        let (stream, _) = listener.accept().await.expect("a connection");
        let shared = Arc::clone(&shared);
        let service = tower::service_fn(move |request: Request<_>| {
            let shared = Arc::clone(&shared);
            async move { shared.answer(request).await }
        });
        spawn(async move {
            // An error is a cut that was asked for, or a client that left.
            let server = auto::Builder::new(TokioExecutor::new());
            let _ = server.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service)).await;
        });
    }
}
