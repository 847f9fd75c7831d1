//! The caller's patience, from `grpc-timeout`; never more than ours.

use std::time::{Duration, Instant};

use http::HeaderMap;
use tonic::Status;

/// What a call gets that names no deadline, and the most that one can ask for.
const DEFAULT: Duration = Duration::from_secs(15);
const MOST: Duration = Duration::from_mins(1);

/// When the caller stops waiting.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadline(pub(super) Instant);

impl Deadline {
    /// What this call asks for.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let asked = headers.get("grpc-timeout").and_then(|value| value.to_str().ok()).and_then(parse);
        Self(Instant::now() + asked.unwrap_or(DEFAULT).min(MOST))
    }

    /// The answer, or the news that there is none in time.
    pub(super) async fn keep<T>(self, answer: impl Future<Output = Result<T, Status>>) -> Result<T, Status> {
        match tokio::time::timeout_at(self.0.into(), answer).await {
            Ok(answer) => answer,
            // A handler that changes something goes on as a task; the caller will learn by asking again with its key.
            Err(_) => Err(Status::deadline_exceeded("the call took longer than the caller waits")),
        }
    }
}

/// Reads `grpc-timeout` (gRPC over HTTP/2, "Timeout"): at most eight digits and a unit.
fn parse(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 {
        return None;
    }
    let count: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(count * 3600)),
        "M" => Some(Duration::from_secs(count * 60)),
        "S" => Some(Duration::from_secs(count)),
        "m" => Some(Duration::from_millis(count)),
        "u" => Some(Duration::from_micros(count)),
        "n" => Some(Duration::from_nanos(count)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_are_read_as_grpc_writes_them() {
        assert_eq!(parse("100m"), Some(Duration::from_millis(100)));
        assert_eq!(parse("2S"), Some(Duration::from_secs(2)));
        for text in ["", "S", "-1S", "123456789S", "1x", "1é"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
