//! A connection on which what is written in one turn of the scheduler, and in the next, leaves together.
//!
//! hyper's HTTP/2 client gives a request's body to the connection only after the connection has sent the request's head (a
//! stream is "pending open" until then), so that every call would leave in two packets, and the receiver would wake up for
//! the first of them in vain.

use std::{
    io::{self, IoSlice},
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Buf, BytesMut};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::timeout,
};

/// Bytes that are held at most: what is more is on its way already.
const MOST: usize = 16 * 1024;
/// Flushes that are put off at most: whoever flushes again and again without reading is not who this is made for, and must
/// not spin.
const MOST_PUT_OFF: usize = 64;

/// Holds what is written until the task that writes is polled again, which it asks for itself. Every poll of an HTTP/2
/// connection begins with reading, unless it waits for room to write: that is how it knows.
pub(super) struct Gathered<T> {
    inner: T,
    held: BytesMut,
    /// What is held was written before this poll of the connection.
    due: bool,
    /// Flushes that were put off since something is held.
    put_off: usize,
}

impl<T> Gathered<T> {
    pub(super) fn new(inner: T) -> Self {
        Self { inner, held: BytesMut::new(), due: false, put_off: 0 }
    }
}

impl Gathered<TcpStream> {
    /// Connects to an address. The limit stands here and not at the endpoint: tonic answers `UNKNOWN` when its own has passed
    /// around a connection that it does not make itself, and `UNAVAILABLE` when making one fails.
    pub(super) async fn connect(address: SocketAddr, patience: Duration) -> io::Result<Self> {
        let stream = timeout(patience, TcpStream::connect(address)).await??;
        // Nothing that leaves here is worth waiting with for more.
        stream.set_nodelay(true)?;
        Ok(Self::new(stream))
    }
}

impl<T: AsyncWrite + Unpin> Gathered<T> {
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.held.is_empty() {
            let sent = ready!(Pin::new(&mut self.inner).poll_write(cx, &self.held))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.held.advance(sent);
        }
        (self.due, self.put_off) = (false, 0);
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Gathered<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.due |= !self.held.is_empty();
        Pin::new(&mut self.inner).poll_read(cx, buffer)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Gathered<T> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let length: usize = slices.iter().map(|slice| slice.len()).sum();
        if self.held.len() + length > MOST {
            ready!(self.poll_send(cx))?;
            if length > MOST {
                return Pin::new(&mut self.inner).poll_write_vectored(cx, slices);
            }
        }
        for slice in slices {
            self.held.extend_from_slice(slice);
        }
        Poll::Ready(Ok(length))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.held.is_empty() && !self.due && self.put_off < MOST_PUT_OFF {
            self.put_off += 1;
            cx.waker().wake_by_ref();
            return Poll::Ready(Ok(()));
        }
        ready!(self.poll_send(cx))?;
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_send(cx))?;
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, task::Waker};

    use rand::{Rng, SeedableRng, rngs::StdRng};
    use tokio::io::AsyncWriteExt;

    use super::*;

    /// Keeps each write apart, and takes so many bytes of one at most.
    struct Wire {
        writes: Vec<Vec<u8>>,
        takes: usize,
    }

    impl AsyncRead for Wire {
        fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            Poll::Pending
        }
    }

    impl AsyncWrite for Wire {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            let taken = bytes.len().min(self.takes);
            self.writes.push(bytes[..taken].to_vec());
            Poll::Ready(Ok(taken))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    fn gathered(takes: usize) -> Gathered<Wire> {
        Gathered::new(Wire { writes: Vec::new(), takes })
    }

    /// One poll of an HTTP/2 connection: it reads, writes what it has, and flushes.
    fn turn(connection: &mut Gathered<Wire>, frames: &[&[u8]]) {
        let mut cx = Context::from_waker(Waker::noop());
        let mut buffer = [0; 8];
        let read = Pin::new(&mut *connection).poll_read(&mut cx, &mut ReadBuf::new(&mut buffer));
        assert!(read.is_pending());
        for frame in frames {
            let written = Pin::new(&mut *connection).poll_write(&mut cx, frame);
            assert!(matches!(written, Poll::Ready(Ok(length)) if length == frame.len()));
        }
        assert!(matches!(Pin::new(&mut *connection).poll_flush(&mut cx), Poll::Ready(Ok(()))));
    }

    #[test]
    fn what_is_written_in_one_turn_leaves_with_what_is_written_in_the_next() {
        let mut connection = gathered(usize::MAX);
        turn(&mut connection, &[b"head"]);
        assert!(connection.inner.writes.is_empty());
        turn(&mut connection, &[b"body"]);
        assert_eq!(connection.inner.writes, [b"headbody"]);
        turn(&mut connection, &[b"alone"]);
        turn(&mut connection, &[]);
        turn(&mut connection, &[]);
        assert_eq!(connection.inner.writes, [b"headbody".as_slice(), b"alone"]);
    }

    #[test]
    fn who_never_reads_is_not_held_for_ever() {
        let mut connection = gathered(usize::MAX);
        let mut cx = Context::from_waker(Waker::noop());
        let _ = Pin::new(&mut connection).poll_write(&mut cx, b"words");
        let mut flushes = 0;
        while connection.inner.writes.is_empty() {
            let _ = Pin::new(&mut connection).poll_flush(&mut cx);
            flushes += 1;
            assert!(flushes < 1000);
        }
    }

    #[tokio::test]
    async fn nothing_is_lost_or_reordered_whatever_is_written() {
        for seed in 0..50 {
            let mut dice = StdRng::seed_from_u64(seed);
            let mut connection = gathered(dice.random_range(1..3 * MOST));
            let mut expected = Vec::new();
            for _ in 0..dice.random_range(1..40) {
                let mut bytes = vec![0; dice.random_range(0..2 * MOST)];
                dice.fill(&mut bytes[..]);
                connection.write_all(&bytes).await.expect("written");
                expected.extend(bytes);
                if dice.random() {
                    connection.flush().await.expect("flushed");
                }
                if dice.random() {
                    poll_fn(|cx| {
                        let _ = Pin::new(&mut connection).poll_read(cx, &mut ReadBuf::new(&mut [0; 8]));
                        Poll::Ready(())
                    })
                    .await;
                }
            }
            connection.shutdown().await.expect("shut down");
            assert!(connection.inner.writes.concat() == expected, "seed {seed}");
        }
    }
}
