//! Bodies in: read to the end within a size, a rate and a time, in no more room than there is for all of them.

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
/// How much of a refused body is read and ignored, so that a client that reads only after sending still gets the answer.
const MOST_IGNORED_BYTES: usize = 8 << 20;
/// How long that may take.
const REFUSAL_PATIENCE: Duration = Duration::from_secs(1);
/// One address has this part of the room at most, though always enough for one body.
const SHARE: usize = 4;

/// What bodies may take up.
#[derive(Debug, Clone, Copy)]
pub struct BodyLimits {
    /// Bytes that are held at once.
    pub bytes: usize,
    /// Slow bodies at once (not complete after `prompt`).
    pub slow: usize,
    /// A body that is complete by then is not slow.
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

/// The room for bodies.
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

/// A body that is there. Its room is taken for as long as this is kept.
pub(crate) struct Received {
    /// What came.
    pub(crate) bytes: Bytes,
    _room: Share,
}

/// Reads a body.
pub(crate) async fn read(
    mut body: Body,
    headers: &HeaderMap,
    admission: &RequestAdmission,
    deadline: Instant,
) -> Result<Received, Problem> {
    let announced =
        headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    let bodies = admission.bodies();
    let mut slow = bodies.slow.of(admission.caller());
    if announced.is_some_and(|length| length > MOST_BYTES as u64) {
        ignore(&mut body, slow, deadline).await;
        return Err(too_large());
    }
    let mut room = bodies.bytes.of(admission.caller());
    let mut pace = Pace::new(bodies.limits, deadline);
    let mut collected = Collected::default();
    loop {
        let frame = match timeout_at(pace.look, body.frame()).await {
            Ok(Some(Ok(frame))) => frame,
            Ok(Some(Err(_))) => return Err(Problem::malformed("the body broke off")),
            Ok(None) => return Ok(Received { bytes: collected.finish(), _room: room }),
            Err(_) if pace.is_slow => return Err(too_slow()),
            Err(_) => {
                // Slow bodies have a limit of their own.
                if !slow.take(1) {
                    return Err(Problem::busy());
                }
                pace.slow(collected.length());
                continue;
            }
        };
        let Some(data) = frame.data_ref() else { continue };
        if collected.length() + data.len() > MOST_BYTES {
            drop((room, collected, frame));
            ignore(&mut body, slow, deadline).await;
            return Err(too_large());
        }
        if !room.take(data.len()) {
            drop((room, collected, frame));
            ignore(&mut body, slow, deadline).await;
            return Err(Problem::busy());
        }
        collected.add(data);
        if pace.is_slow {
            pace.slow(collected.length());
        }
    }
}

/// When a body has to be there, or more of it.
struct Pace {
    limits: BodyLimits,
    begun: Instant,
    deadline: Instant,
    is_slow: bool,
    look: Instant,
}

impl Pace {
    fn new(limits: BodyLimits, deadline: Instant) -> Self {
        let begun = Instant::now();
        let look = deadline.min(begun + limits.prompt);
        Self { limits, begun, deadline, is_slow: look == deadline, look }
    }

    /// The body is slow, and this much of it is there.
    fn slow(&mut self, length: usize) {
        self.is_slow = true;
        let earned = u32::try_from(length).unwrap_or(u32::MAX);
        let earned = Duration::from_secs(earned.into()) / self.limits.least_rate.max(1);
        let average = self.begun + self.limits.prompt + self.limits.grace + earned;
        // Bytes that came fast earn no long rest.
        self.look = self.deadline.min(average).min(Instant::now() + self.limits.grace);
    }
}

/// What is there of a body: without a copy where it comes in one piece; else in one piece all the same, so that a body of tiny
/// pieces takes no more room than another.
#[derive(Default)]
enum Collected {
    #[default]
    Nothing,
    One(Bytes),
    Joined(BytesMut),
}

impl Collected {
    fn length(&self) -> usize {
        match self {
            Self::Nothing => 0,
            Self::One(bytes) => bytes.len(),
            Self::Joined(bytes) => bytes.len(),
        }
    }

    fn add(&mut self, data: &Bytes) {
        match self {
            Self::Nothing => *self = Self::One(data.clone()),
            Self::One(first) => {
                let mut joined = BytesMut::with_capacity(first.len() + data.len());
                joined.put_slice(first);
                joined.put_slice(data);
                *self = Self::Joined(joined);
            }
            Self::Joined(joined) => joined.put_slice(data),
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

/// Reads a body that must not be there.
pub(crate) async fn refuse(
    body: Body,
    headers: &HeaderMap,
    admission: &RequestAdmission,
    deadline: Instant,
) -> Result<(), Problem> {
    if body.is_end_stream() || read(body, headers, admission, deadline).await?.bytes.is_empty() {
        Ok(())
    } else {
        Err(Problem::malformed("this call takes no body"))
    }
}

/// Reads on for a moment what is refused. That counts as a slow body; where too many are slow already, nothing is read.
async fn ignore(body: &mut Body, mut slow: Share, deadline: Instant) {
    if slow.is_empty() && !slow.take(1) {
        return;
    }
    let deadline = deadline.min(Instant::now() + REFUSAL_PATIENCE);
    let mut ignored = 0;
    while ignored < MOST_IGNORED_BYTES {
        match timeout_at(deadline, body.frame()).await {
            Ok(Some(Ok(frame))) => ignored += frame.data_ref().map_or(0, Bytes::len),
            Ok(Some(Err(_)) | None) | Err(_) => return,
        }
    }
}

fn too_large() -> Problem {
    Problem::new(ErrorCode::InvalidArgument, "BODY_TOO_LARGE", "a body may have at most 1 MiB")
        .with_status(StatusCode::PAYLOAD_TOO_LARGE)
}

fn too_slow() -> Problem {
    Problem::new(ErrorCode::DeadlineExceeded, "BODY_TOO_SLOW", "the body took too long to arrive")
        .with_status(StatusCode::REQUEST_TIMEOUT)
}
