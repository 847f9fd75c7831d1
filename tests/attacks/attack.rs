//! Opens connections from a chosen local address, as an attacker or as a genuine caller.

use std::{io, net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::{Instant, timeout, timeout_at},
};

/// The last number of the attackers' address, 127.0.0.2.
pub(crate) const ATTACKER: u8 = 2;
/// How long an attacker tries to send something.
const TIMEOUT: Duration = Duration::from_secs(5);

/// A connection over which something was sent.
pub(crate) struct Connection(pub(crate) TcpStream);

impl Connection {
    /// Connects from 127.0.0.`from`, and sends these bytes.
    pub(crate) async fn open(from: u8, to: SocketAddr, bytes: &[u8]) -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::from(([127, 0, 0, from], 0)))?;
        let mut stream = timeout(TIMEOUT, socket.connect(to)).await??;
        timeout(TIMEOUT, stream.write_all(bytes)).await??;
        Ok(Self(stream))
    }

    /// Reads the answer until the connection is closed, or until the timeout.
    pub(crate) async fn read(&mut self, patience: Duration) -> String {
        let (mut answer, deadline) = (Vec::new(), Instant::now() + patience);
        while let Ok(Ok(count)) = timeout_at(deadline, self.0.read_buf(&mut answer)).await {
            if count == 0 {
                break;
            }
        }
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// Whether the server closes the connection within this time. Bytes that arrive before are ignored.
    pub(crate) async fn is_closed_within(&mut self, patience: Duration) -> bool {
        let (mut bytes, deadline) = (vec![0; 4096], Instant::now() + patience);
        loop {
            match timeout_at(deadline, self.0.read(&mut bytes)).await {
                Ok(Ok(0) | Err(_)) => return true,
                Ok(Ok(_)) => {}
                Err(_) => return false,
            }
        }
    }
}

/// Opens `count` connections from the attacker, and sends `bytes` over each. Connections that fail are left out.
pub(crate) async fn attackers(count: usize, to: SocketAddr, bytes: Vec<u8>) -> Vec<Connection> {
    let bytes = std::sync::Arc::new(bytes);
    let mut opened = Vec::new();
    // In groups, so that the kernel's limit of unaccepted connections has no effect here.
    for group in (0..count).step_by(100).map(|done| (count - done).min(100)) {
        let one = || {
            let bytes = std::sync::Arc::clone(&bytes);
            async move { Connection::open(ATTACKER, to, &bytes).await.ok() }
        };
        let group = futures_util::future::join_all((0..group).map(|_| one())).await;
        opened.extend(group.into_iter().flatten());
    }
    opened
}
