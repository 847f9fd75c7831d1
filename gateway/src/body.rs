//! Reads the bodies of requests. Each has a limit of size, rate and time, and all bodies together have a limit of memory.

use std::{sync::Arc, time::Duration};

use axum::body::Body;
use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, StatusCode, header};
use http_body::Body as _;
use http_body_util::BodyExt;
use levqor_runtime::error::ErrorCode;
use tokio::time::{Instant, timeout_at};

use crate::{
    admission::RequestAdmission,
    problem::Problem,
    shares::{Share, Shares},
};

/// The largest body of a request.
pub(crate) const MOST_BYTES: usize = 1 << 20;
/// The largest body of a request to an RPC of the class CHAT.
pub(crate) const MOST_CHAT_BYTES: usize = 64 << 10;
/// The largest upload.
pub(crate) const MOST_UPLOAD_BYTES: usize = 25 << 20;
/// How much of a refused body is read and ignored: a client that reads only after it has sent everything must get the response.
const MOST_IGNORED_BYTES: usize = 8 << 20;
/// How long a refused body is read and ignored.
const REFUSAL_PATIENCE: Duration = Duration::from_secs(1);
/// One address may use the limit of all bodies divided by this, but always enough for one body.
const SHARE: usize = 4;

/// The limits of all bodies.
#[derive(Debug, Clone, Copy)]
pub struct BodyLimits {
    /// The most bytes in memory.
    pub bytes: usize,
    /// The most slow bodies at the same time. A body is slow if it is not complete after `prompt`.
    pub slow: usize,
    /// A body that is complete within this time is not slow.
    pub prompt: Duration,
    /// How long a slow body may send nothing.
    pub grace: Duration,
    /// How many bytes a slow body must send per second on average, after the grace.
    pub least_rate: u32,
}

impl Default for BodyLimits {
    fn default() -> Self {
        Self {
            bytes: 64 << 20,
            slow: 256,
            prompt: Duration::from_millis(500),
            grace: Duration::from_secs(5),
            least_rate: 2048,
        }
    }
}

/// The memory and the number of slow bodies that all requests share.
pub(crate) struct Bodies {
    bytes: Arc<Shares>,
    slow: Arc<Shares>,
    limits: BodyLimits,
}

impl Bodies {
    #[must_use]
    pub(crate) fn new(limits: BodyLimits) -> Self {
        let bytes = Shares::new(limits.bytes, (limits.bytes / SHARE).max(MOST_BYTES));
        let slow = Shares::new(limits.slow, (limits.slow / SHARE).max(1));
        Self { bytes, slow, limits }
    }
}

/// A complete body. It counts against the limit of memory until this is dropped.
pub(crate) struct Received {
    /// The bytes of the body.
    pub(crate) bytes: Bytes,
    _room: Share,
}

/// A body that is not read yet, with its limits of size, rate and time.
pub(crate) struct Incoming<'r> {
    body: Body,
    announced: Option<u64>,
    admission: &'r RequestAdmission,
    slow: Share,
    most: usize,
    length: usize,
    deadline: Instant,
    /// `None` until the first read.
    pace: Option<Pace>,
}

impl<'r> Incoming<'r> {
    /// The body of a request. It may have at most `most` bytes.
    pub(crate) fn new(
        body: Body,
        headers: &HeaderMap,
        admission: &'r RequestAdmission,
        most: usize,
        deadline: Instant,
    ) -> Self {
        let announced =
            headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        let slow = admission.bodies().slow.of(admission.caller());
        Self { body, announced, admission, slow, most, length: 0, deadline, pace: None }
    }

    /// Refuses a body whose `Content-Length` is too large.
    pub(crate) fn check_announced(&self) -> Result<(), Problem> {
        match self.announced {
            Some(length) if length > self.most as u64 => Err(too_large(self.most)),
            _ => Ok(()),
        }
    }

    /// The next bytes. `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Problem> {
        self.check_announced()?;
        let limits = self.admission.bodies().limits;
        let pace = self.pace.get_or_insert_with(|| Pace::new(limits, self.deadline));
        loop {
            let frame = match timeout_at(pace.check_at, self.body.frame()).await {
                Ok(Some(Ok(frame))) => frame,
                Ok(Some(Err(_))) => return Err(Problem::malformed("the body is incomplete or malformed")),
                Ok(None) => return Ok(None),
                Err(_) if pace.is_slow => return Err(too_slow()),
                Err(_) => {
                    // Slow bodies have a limit of their own.
                    if !self.slow.take(1) {
                        return Err(Problem::busy());
                    }
                    pace.slow(self.length);
                    continue;
                }
            };
            let Ok(data) = frame.into_data() else { continue };
            self.length += data.len();
            if self.length > self.most {
                return Err(too_large(self.most));
            }
            if pace.is_slow {
                pace.slow(self.length);
            }
            return Ok(Some(data));
        }
    }

    /// Reads the whole body. A refused body is read and ignored for a moment.
    pub(crate) async fn whole(mut self) -> Result<Received, Problem> {
        let mut room = self.admission.bodies().bytes.of(self.admission.caller());
        let mut collected = Collected::default();
        let problem = loop {
            match self.next().await {
                Ok(None) => return Ok(Received { bytes: collected.finish(), _room: room }),
                Ok(Some(data)) if room.take(data.len()) => collected.add(data),
                Ok(Some(_)) => break Problem::busy(),
                Err(problem) if self.is_too_large() => break problem,
                Err(problem) => return Err(problem),
            }
        };
        drop((room, collected));
        self.ignore().await;
        Err(problem)
    }

    /// Takes the memory that an upload needs: its chunks on the way to the service.
    pub(crate) fn upload_room(&self) -> Result<Share, Problem> {
        let mut room = self.admission.bodies().bytes.of(self.admission.caller());
        if room.take(MOST_BYTES) { Ok(room) } else { Err(Problem::busy()) }
    }

    /// Reads and ignores a refused body for a moment. It counts as a slow body. If there are too many slow bodies, nothing is
    /// read.
    pub(crate) async fn ignore(mut self) {
        if self.body.is_end_stream() || self.slow.is_empty() && !self.slow.take(1) {
            return;
        }
        let deadline = self.deadline.min(Instant::now() + REFUSAL_PATIENCE);
        let mut ignored = 0;
        while ignored < MOST_IGNORED_BYTES {
            match timeout_at(deadline, self.body.frame()).await {
                Ok(Some(Ok(frame))) => ignored += frame.data_ref().map_or(0, Bytes::len),
                Ok(Some(Err(_)) | None) | Err(_) => return,
            }
        }
    }

    /// Refuses a body that is not empty.
    pub(crate) async fn refuse(self) -> Result<(), Problem> {
        if self.body.is_end_stream() || self.whole().await?.bytes.is_empty() {
            Ok(())
        } else {
            Err(Problem::malformed("this call must not have a body"))
        }
    }

    fn is_too_large(&self) -> bool {
        self.length > self.most || self.check_announced().is_err()
    }
}

/// Reads a body of the usual size to its end.
pub(crate) async fn read(
    body: Body,
    headers: &HeaderMap,
    admission: &RequestAdmission,
    deadline: Instant,
) -> Result<Received, Problem> {
    Incoming::new(body, headers, admission, MOST_BYTES, deadline).whole().await
}

/// The time by which the next bytes of a body must arrive.
struct Pace {
    limits: BodyLimits,
    begun: Instant,
    deadline: Instant,
    is_slow: bool,
    /// If no bytes arrive until this time, the body becomes slow, or is refused if it is slow already.
    check_at: Instant,
}

impl Pace {
    fn new(limits: BodyLimits, deadline: Instant) -> Self {
        let begun = Instant::now();
        let check_at = deadline.min(begun + limits.prompt);
        Self { limits, begun, deadline, is_slow: check_at == deadline, check_at }
    }

    /// Marks the body as slow, and sets the next time. `length` bytes have arrived.
    fn slow(&mut self, length: usize) {
        self.is_slow = true;
        let earned = u32::try_from(length).unwrap_or(u32::MAX);
        let earned = Duration::from_secs(earned.into()) / self.limits.least_rate.max(1);
        let average = self.begun + self.limits.prompt + self.limits.grace + earned;
        // A body that was fast until now must not pause for longer than the grace period.
        self.check_at = self.deadline.min(average).min(Instant::now() + self.limits.grace);
    }
}

/// The bytes of a body that have arrived. One piece is not copied. Several pieces are joined, so that a body of tiny pieces takes
/// no more memory than another.
#[derive(Default)]
enum Collected {
    #[default]
    Nothing,
    One(Bytes),
    Joined(BytesMut),
}

impl Collected {
    fn add(&mut self, data: Bytes) {
        match self {
            Self::Nothing => *self = Self::One(data),
            Self::One(first) => {
                let mut joined = BytesMut::with_capacity(first.len() + data.len());
                joined.put_slice(first);
                joined.put_slice(&data);
                *self = Self::Joined(joined);
            }
            Self::Joined(joined) => joined.put_slice(&data),
        }
    }

    fn finish(self) -> Bytes {
        match self {
            Self::Nothing => Bytes::new(),
            Self::One(bytes) => bytes,
            Self::Joined(bytes) => bytes.freeze(),
        }
    }
}

fn too_large(most: usize) -> Problem {
    let detail = match most >> 20 {
        0 => format!("this body may have at most {} KiB", most >> 10),
        mebibytes => format!("this body may have at most {mebibytes} MiB"),
    };
    Problem::new(ErrorCode::InvalidArgument, "BODY_TOO_LARGE", detail)
        .with_status(StatusCode::PAYLOAD_TOO_LARGE)
}

fn too_slow() -> Problem {
    Problem::new(ErrorCode::DeadlineExceeded, "BODY_TOO_SLOW", "the body took too long to arrive")
        .with_status(StatusCode::REQUEST_TIMEOUT)
}
