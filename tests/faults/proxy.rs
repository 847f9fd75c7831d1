//! A proxy between two processes. A test can cut, slow, stall and break their connections. The proxy runs on a thread of its
//! own, so it works while the test waits.

mod tests;

use std::{
    future::pending,
    io,
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use levqor_runtime::testing::{self, spawn};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf},
    net::{TcpListener, TcpStream, UnixListener, UnixStream},
    sync::{oneshot, watch},
};

/// The longest part of an answer that a breaking line passes on: shorter than any answer. Several answers may come in one piece, and
/// its half could be a whole answer.
const PART: usize = 16;

/// The state of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Line {
    /// It passes everything on.
    Whole,
    /// It is cut: connections are reset, and new ones refused.
    Cut,
    /// Nothing arrives. The data that was sent arrives after the line works again, as TCP guarantees.
    Stalled,
    /// Existing connections never work again, and neither end gets an error. New connections stall until the line works again.
    Vanished,
    /// Every piece of data is delayed by this time.
    Slow(Duration),
    /// Only the beginning of each answer is passed on, half of it at the most. Then the connection is reset.
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

/// The state of a line, and how many pieces of data it has delayed or broken off.
struct State {
    line: Line,
    hindered: Arc<AtomicUsize>,
}

impl State {
    fn hinder(&self) {
        self.hindered.fetch_add(1, Ordering::SeqCst);
    }
}

/// The line, until it is dropped.
pub(crate) struct Proxy {
    state: watch::Sender<State>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Proxy {
    /// Passes connections from `near` on to the ends in `far`: to each in turn that accepts one.
    pub(crate) fn start(near: End, far: Vec<End>) -> Self {
        let (state, seen) = watch::channel(State { line: Line::Whole, hindered: Arc::default() });
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
        Self { state, stop: Some(stop), thread: Some(thread) }
    }

    /// Changes how the line is.
    pub(crate) fn set(&self, line: Line) {
        self.state.send_modify(|state| state.line = line);
    }

    /// How many pieces it has delayed or broken off.
    pub(crate) fn hindered(&self) -> usize {
        self.state.borrow().hindered.load(Ordering::SeqCst)
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
    /// Resets the connection, if its kind allows a reset.
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

async fn listen(mut listener: Listener, near: &End, far: &[End], mut state: watch::Receiver<State>) {
    for turn in 0.. {
        if state.borrow().line == Line::Cut {
            drop(listener);
            let whole = state.wait_for(|state| state.line != Line::Cut).await;
            whole.expect("the test goes on");
            listener = Listener::bind(near).expect("the near end again");
        }
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted.expect("a connection"),
            _ = state.changed() => continue,
        };
        let mut far = far.to_vec();
        let first = turn % far.len();
        far.rotate_left(first);
        let state = state.clone();
        drop(spawn(async move {
            for end in &far {
                if let Ok(connected) = connect(end).await {
                    return pass(accepted, connected, state).await;
                }
            }
            accepted.reset();
        }));
    }
}

/// Reset the connection.
struct Broken;

impl From<io::Error> for Broken {
    fn from(_: io::Error) -> Self {
        Self
    }
}

async fn pass(near: Box<dyn Side>, far: Box<dyn Side>, state: watch::Receiver<State>) {
    let ((mut near_out, mut near_in), (mut far_out, mut far_in)) =
        (tokio::io::split(near), tokio::io::split(far));
    let there = one_way(&mut near_out, &mut far_in, state.clone(), false);
    let back = one_way(&mut far_out, &mut near_in, state, true);
    if tokio::try_join!(there, back).is_err() {
        near_out.unsplit(near_in).reset();
        far_out.unsplit(far_in).reset();
    }
}

async fn one_way(
    from: &mut ReadHalf<Box<dyn Side>>,
    to: &mut WriteHalf<Box<dyn Side>>,
    mut state: watch::Receiver<State>,
    answers: bool,
) -> Result<(), Broken> {
    let mut piece = vec![0; 16 * 1024];
    loop {
        let length = tokio::select! {
            length = from.read(&mut piece) => Some(length?),
            changed = state.changed() => changed.map(|()| None).map_err(|_| Broken)?,
        };
        let piece = piece.get(..length.unwrap_or_default()).unwrap_or_default();
        loop {
            let now = state.borrow_and_update().line;
            match now {
                Line::Cut => return Err(Broken),
                Line::Vanished => pending().await,
                Line::Stalled => state.changed().await.map_err(|_| Broken)?,
                Line::Slow(delay) if !piece.is_empty() => {
                    state.borrow().hinder();
                    testing::delay(delay).await;
                    break;
                }
                Line::Breaking if answers && !piece.is_empty() => {
                    state.borrow().hinder();
                    let part = PART.min(piece.len() / 2);
                    to.write_all(piece.get(..part).unwrap_or_default()).await?;
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
