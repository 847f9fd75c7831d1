//! The bytes of a connection: incoming bytes are parsed, and outgoing bytes must be read within a time limit.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};

use super::{framing::Framing, requests::Requests};

/// Replaces a message that the HTTP library must refuse. These bytes are never valid: it answers 400 and closes the connection.
const REFUSED: &[u8] = b"\0\n\n";

/// A connection with these checks.
pub(super) struct Watched<T> {
    inner: T,
    framing: Framing,
    requests: Requests,
    /// The unread part of the replacement bytes. After them nothing more is read.
    refused: Option<&'static [u8]>,
    unread: Duration,
    /// Runs while writes are blocked.
    stuck: Option<Pin<Box<Sleep>>>,
}

impl<T> Watched<T> {
    /// Watches a connection. Its client may leave written bytes unread for `unread`.
    pub(super) fn new(inner: T, requests: Requests, unread: Duration) -> Self {
        Self { inner, framing: Framing::new(), requests, refused: None, unread, stuck: None }
    }

    /// Limits how long a write may wait.
    fn in_time<R>(&mut self, context: &mut Context<'_>, written: Poll<io::Result<R>>) -> Poll<io::Result<R>> {
        if written.is_ready() {
            self.stuck = None;
            return written;
        }
        let unread = self.unread;
        let stuck = self.stuck.get_or_insert_with(|| Box::pin(sleep(unread)));
        ready!(stuck.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Watched<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.refused.is_none() {
            let before = buffer.filled().len();
            ready!(Pin::new(&mut this.inner).poll_read(context, buffer))?;
            let new = &buffer.filled()[before..];
            if new.is_empty() {
                return Poll::Ready(Ok(()));
            }
            let followed = this.framing.follow(new);
            this.requests.heard(this.framing.in_head(), this.framing.is_http2());
            let Err(malformed) = followed else { return Poll::Ready(Ok(())) };
            buffer.set_filled(before + malformed.at);
            this.refused = Some(REFUSED);
        }
        let left = this.refused.unwrap_or_default();
        let (now, later) = left.split_at(left.len().min(buffer.remaining()));
        buffer.put_slice(now);
        this.refused = Some(later);
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Watched<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write(context, bytes);
        self.in_time(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write_vectored(context, slices);
        self.in_time(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.inner).poll_flush(context);
        self.in_time(context, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.inner).poll_shutdown(context);
        self.in_time(context, shut)
    }
}
