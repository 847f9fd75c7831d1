//! A proxy in front of the fake provider. It closes the connection in the middle of the first answers of one kind.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use levqor_runtime::testing;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// The proxy, as long as the test runs.
pub(crate) struct BreakingOff {
    url: String,
    broken: Arc<AtomicUsize>,
}

impl BreakingOff {
    /// Breaks off the first `count` answers to requests whose path begins so.
    pub(crate) async fn start(provider: &str, path: &'static str, count: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let broken = Arc::new(AtomicUsize::new(0));
        let (provider, own, counter) = (provider.to_owned(), url.clone(), Arc::clone(&broken));
        testing::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (provider, own, counter) = (provider.clone(), own.clone(), Arc::clone(&counter));
                testing::spawn(async move {
                    pass(client, &provider, &own, path, count, &counter).await;
                });
            }
        });
        Self { url, broken }
    }

    /// Where it is.
    pub(crate) fn url(&self) -> String {
        self.url.clone()
    }

    /// How many answers it broke off.
    pub(crate) fn broken(&self) -> usize {
        self.broken.load(Ordering::SeqCst)
    }
}

/// Passes one request on, and its answer back, whole or in part.
async fn pass(
    mut client: TcpStream,
    provider: &str,
    own: &str,
    path: &str,
    count: usize,
    broken: &AtomicUsize,
) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let Ok(byte) = client.read_u8().await else { return };
        request.push(byte);
    }
    let request = String::from_utf8(request).expect("a head");
    let request = request.replace("\r\n\r\n", "\r\nconnection: close\r\n\r\n");
    let mut upstream = TcpStream::connect(provider.trim_start_matches("http://")).await.expect("it serves");
    upstream.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = Vec::new();
    upstream.read_to_end(&mut answer).await.expect("answered");
    let end = answer.windows(4).position(|part| part == b"\r\n\r\n").expect("a head") + 4;
    let status = String::from_utf8_lossy(&answer[..end]).lines().next().expect("a status").to_owned();
    // Links lead to this proxy too.
    let body = match std::str::from_utf8(&answer[end..]) {
        Ok(text) => text.replace(provider, own).into_bytes(),
        Err(_) => answer[end..].to_vec(),
    };
    let is_meant = request.split(' ').nth(1).is_some_and(|of| of.starts_with(path));
    let breaks = is_meant && broken.load(Ordering::SeqCst) < count;
    let part = if breaks { &body[..body.len() / 2] } else { &body[..] };
    let head = format!("{status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
    if breaks {
        broken.fetch_add(1, Ordering::SeqCst);
    }
    client.write_all(&[head.as_bytes(), part].concat()).await.ok();
    client.shutdown().await.ok();
}
