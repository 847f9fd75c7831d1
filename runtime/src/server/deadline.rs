//! The deadline of a call, from `grpc-timeout`; never later than our own limit.

use std::time::{Duration, Instant};

use http::HeaderMap;
use tonic::Status;

use crate::{access, time_limits};

/// When the caller stops waiting for the answer, or for the beginning of a stream of answers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadline(pub(super) Instant);

impl Deadline {
    /// The deadline that a call to the RPC at this path requests.
    pub(super) fn of(path: &str, headers: &HeaderMap) -> Self {
        let asked = headers.get("grpc-timeout").and_then(|value| value.to_str().ok()).and_then(parse);
        let asked = asked.unwrap_or(time_limits::DEFAULT);
        // Most calls ask for less than the limit, so their RPC need not be looked up.
        let most = if asked > time_limits::MAX { most(path) } else { time_limits::MAX };
        Self(Instant::now() + asked.min(most))
    }

    /// Returns the answer, or an error if there is none before the deadline.
    pub(super) async fn keep<T>(self, answer: impl Future<Output = Result<T, Status>>) -> Result<T, Status> {
        match tokio::time::timeout_at(self.0.into(), answer).await {
            Ok(answer) => answer,
            // A handler that changes data continues as a task. The caller gets its result by a retry with the same key.
            Err(_) => Err(Status::deadline_exceeded("the call reached its deadline")),
        }
    }
}

/// The most that a call to an RPC can ask for.
fn most(path: &str) -> Duration {
    let method = access::methods().by_path(path);
    let uploads = method.is_some_and(|method| method.descriptor.is_client_streaming());
    if uploads { time_limits::UPLOAD } else { time_limits::MAX }
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
    fn only_an_upload_may_ask_for_more_than_a_minute() {
        let headers: HeaderMap =
            [(http::HeaderName::from_static("grpc-timeout"), http::HeaderValue::from_static("10M"))]
                .into_iter()
                .collect();
        for method in access::methods().iter() {
            let Deadline(deadline) = Deadline::of(method.path.as_str(), &headers);
            let most = if method.descriptor.is_client_streaming() { 5 } else { 1 };
            let left = deadline.saturating_duration_since(Instant::now());
            assert_eq!(left.as_secs().div_ceil(60), most, "{}", method.rpc);
        }
    }

    #[test]
    fn timeouts_are_read_as_grpc_writes_them() {
        assert_eq!(parse("100m"), Some(Duration::from_millis(100)));
        assert_eq!(parse("2S"), Some(Duration::from_secs(2)));
        for text in ["", "S", "-1S", "123456789S", "1x", "1é"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
