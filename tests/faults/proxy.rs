//! A line between two processes that a test can cut, slow, stall and break. It runs on a thread of its own, so that it
//! passes on whatever the test waits for.

mod tests;

use std::{future::pending, io, net::SocketAddr, path::PathBuf, thread::JoinHandle, time::Duration};

use levqor_runtime::testing::{self, spawn};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf},
    net::{TcpListener, TcpStream, UnixListener, UnixStream},
    sync::{oneshot, watch},
};

/// How a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Line {
    /// It passes everything on.
    Whole,
    /// It is cut: connections are reset, and new ones refused.
    Cut,
    /// Nothing comes through. What was sent comes once it is whole again, as TCP sees to it.
    Stalled,
    /// Connections are dead for good, and nobody is told; new ones stall until it is whole again.
    Vanished,
    /// Every piece comes so much later.
    Slow(Duration),
    /// Answers are passed on by half, and then their connection is reset.
    Breaking,
}

/// One end of a line.
#[derive(Debug, Clone)]
pub(crate) enum End {
    /// A port.
    Tcp(SocketAddr),
    /// PostgreSQL's socket.
    Unix(PathBuf),
}

/// The line, until it is dropped.
pub(crate) struct Proxy {
    line: watch::Sender<Line>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Proxy {
    /// Passes on what comes to `near` to the ends in `far`, to each in turn that takes it.
    pub(crate) fn start(near: End, far: Vec<End>) -> Self {
        let (line, seen) = watch::channel(Line::Whole);
        let (stop, stopped) = oneshot::channel();
        let (ready, listens) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(async {
                let listener = Listener::bind(&near).expect("the near end");
                ready.send(()).expect("somebody waits");
                tokio::select! {
                    () = listen(listener, &near, &far, seen) => {}
                    _ = stopped => {}
                }
            });
        });
        listens.recv().expect("the proxy listens");
        Self { line, stop: Some(stop), thread: Some(thread) }
    }

    /// Changes how the line is.
    pub(crate) fn set(&self, line: Line) {
        self.line.send_replace(line);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(ended.is_ok() || std::thread::panicking(), "the proxy panicked");
        }
    }
}

/// A connection, at either end.
trait Side: AsyncRead + AsyncWrite + Unpin + Send {
    /// Closes it as a failure, where that can be told.
    fn reset(&self);
}

impl Side for TcpStream {
    fn reset(&self) {
        let _ = self.set_zero_linger();
    }
}

impl Side for UnixStream {
    fn reset(&self) {}
}

enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Listener {
    fn bind(near: &End) -> io::Result<Self> {
        match near {
            End::Tcp(addr) => {
                let socket = tokio::net::TcpSocket::new_v4()?;
                socket.set_reuseaddr(true)?;
                socket.bind(*addr)?;
                socket.listen(1024).map(Self::Tcp)
            }
            End::Unix(path) => {
                let _ = std::fs::remove_file(path);
                UnixListener::bind(path).map(Self::Unix)
            }
        }
    }

    async fn accept(&self) -> io::Result<Box<dyn Side>> {
        match self {
            Self::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                Ok(Box::new(stream))
            }
            Self::Unix(listener) => Ok(Box::new(listener.accept().await?.0)),
        }
    }
}

async fn connect(far: &End) -> io::Result<Box<dyn Side>> {
    match far {
        End::Tcp(addr) => {
            let stream = TcpStream::connect(addr).await?;
            stream.set_nodelay(true)?;
            Ok(Box::new(stream))
        }
        End::Unix(path) => Ok(Box::new(UnixStream::connect(path).await?)),
    }
}

async fn listen(mut listener: Listener, near: &End, far: &[End], mut line: watch::Receiver<Line>) {
    for turn in 0.. {
        if *line.borrow() == Line::Cut {
            drop(listener);
            let whole = line.wait_for(|line| *line != Line::Cut).await;
            whole.expect("the test goes on");
            listener = Listener::bind(near).expect("the near end again");
        }
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted.expect("a connection"),
            _ = line.changed() => continue,
        };
        let mut far = far.to_vec();
        let first = turn % far.len();
        far.rotate_left(first);
        let line = line.clone();
        drop(spawn(async move {
            for end in &far {
                if let Ok(connected) = connect(end).await {
                    return pass(accepted, connected, line).await;
                }
            }
            accepted.reset();
        }));
    }
}

/// The connection is to be reset.
struct Broken;

impl From<io::Error> for Broken {
    fn from(_: io::Error) -> Self {
        Self
    }
}

async fn pass(near: Box<dyn Side>, far: Box<dyn Side>, line: watch::Receiver<Line>) {
    let ((mut near_out, mut near_in), (mut far_out, mut far_in)) =
        (tokio::io::split(near), tokio::io::split(far));
    let there = one_way(&mut near_out, &mut far_in, line.clone(), false);
    let back = one_way(&mut far_out, &mut near_in, line, true);
    if tokio::try_join!(there, back).is_err() {
        near_out.unsplit(near_in).reset();
        far_out.unsplit(far_in).reset();
    }
}

async fn one_way(
    from: &mut ReadHalf<Box<dyn Side>>,
    to: &mut WriteHalf<Box<dyn Side>>,
    mut line: watch::Receiver<Line>,
    answers: bool,
) -> Result<(), Broken> {
    let mut piece = vec![0; 16 * 1024];
    loop {
        let length = tokio::select! {
            length = from.read(&mut piece) => Some(length?),
            changed = line.changed() => changed.map(|()| None).map_err(|_| Broken)?,
        };
        let piece = piece.get(..length.unwrap_or_default()).unwrap_or_default();
        loop {
            let now = *line.borrow_and_update();
            match now {
                Line::Cut => return Err(Broken),
                Line::Vanished => pending().await,
                Line::Stalled => line.changed().await.map_err(|_| Broken)?,
                Line::Slow(delay) if !piece.is_empty() => {
                    testing::delay(delay).await;
                    break;
                }
                Line::Breaking if answers && !piece.is_empty() => {
                    to.write_all(piece.get(..piece.len() / 2).unwrap_or_default()).await?;
                    return Err(Broken);
                }
                Line::Whole | Line::Slow(_) | Line::Breaking => break,
            }
        }
        if length == Some(0) {
            to.shutdown().await?;
            return Ok(());
        }
        to.write_all(piece).await?;
    }
}
