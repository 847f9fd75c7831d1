//! Compares our clock with another clock: signatures and tokens are valid for minutes only.

use chrono::{DateTime, TimeDelta, Utc};

use super::Finding;
use crate::clock::Clock;

/// The allowed difference between clocks.
const TOLERANCE: TimeDelta = TimeDelta::seconds(10);

/// The difference between another clock, read between our two instants, and ours. `grain` is the resolution of the other clock.
#[must_use]
pub fn skew(
    before: DateTime<Utc>,
    theirs: DateTime<Utc>,
    after: DateTime<Utc>,
    grain: TimeDelta,
) -> TimeDelta {
    // A time between the two instants, within the grain, does not count as a difference.
    if theirs > after {
        theirs - after
    } else if theirs + grain < before {
        theirs + grain - before
    } else {
        TimeDelta::zero()
    }
}

/// Decides whether such a difference is acceptable, in words.
pub fn judge(skew: TimeDelta) -> Result<String, String> {
    let ms = skew.num_milliseconds();
    let words = match ms {
        0 => "its clock agrees with ours".to_owned(),
        1.. => format!("its clock is {ms} ms ahead of ours"),
        _ => format!("its clock is {} ms behind ours", -ms),
    };
    if skew.abs() > TOLERANCE {
        Err(format!("{words}, more than {} s", TOLERANCE.num_seconds()))
    } else {
        Ok(words)
    }
}

/// Reads a server's time: every HTTP answer has a `Date`.
pub async fn http_date(client: &reqwest::Client, url: &str, clock: &Clock) -> Finding {
    let before = clock.now();
    let answer = match client.get(url).send().await {
        Ok(answer) => answer,
        Err(error) => return Finding::failed(words(&error)),
    };
    let after = clock.now();
    let date = answer.headers().get(http::header::DATE).and_then(|date| date.to_str().ok());
    let Some(theirs) = date.and_then(|date| DateTime::parse_from_rfc2822(date).ok()) else {
        return Finding::failed("the answer has no Date");
    };
    judge(skew(before, theirs.to_utc(), after, TimeDelta::seconds(1))).into()
}

/// Why there is no answer, without the address, which may hold a key.
#[must_use]
pub fn words(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        "no answer in time".to_owned()
    } else if error.is_builder() {
        "that is not a URL".to_owned()
    } else if error.is_connect() {
        let why = why_not_connected(error).map(|why| format!(": {why}")).unwrap_or_default();
        format!("no connection could be made{why}")
    } else {
        "the answer cannot be read".to_owned()
    }
}

/// The innermost reason that names no address.
fn why_not_connected(error: &reqwest::Error) -> Option<String> {
    let mut source = std::error::Error::source(error);
    let mut why = None;
    while let Some(cause) = source {
        if cause.to_string() == "dns error" {
            return Some("the name of the host cannot be looked up".to_owned());
        }
        if let Some(io) = cause.downcast_ref::<std::io::Error>() {
            // A TLS error is wrapped in an I/O error. Its own text names the fault.
            why = Some(io.get_ref().map_or_else(|| io.kind().to_string(), ToString::to_string));
        }
        source = cause.source();
    }
    why
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_counts_only_beyond_what_the_question_took() {
        let at = |ms: i64| DateTime::from_timestamp_millis(1_790_000_000_000 + ms).expect("an instant");
        let second = TimeDelta::seconds(1);
        assert_eq!(skew(at(0), at(150), at(200), TimeDelta::zero()), TimeDelta::zero());
        assert_eq!(skew(at(0), at(260), at(200), TimeDelta::zero()), TimeDelta::milliseconds(60));
        assert_eq!(skew(at(0), at(-40), at(200), TimeDelta::zero()), TimeDelta::milliseconds(-40));
        assert_eq!(skew(at(0), at(-999), at(200), second), TimeDelta::zero());
        assert_eq!(skew(at(0), at(-3000), at(200), second), TimeDelta::milliseconds(-2000));
    }

    #[test]
    fn ten_seconds_are_tolerated_and_no_more() {
        assert_eq!(judge(TimeDelta::zero()), Ok("its clock agrees with ours".to_owned()));
        assert_eq!(judge(TimeDelta::seconds(10)), Ok("its clock is 10000 ms ahead of ours".to_owned()));
        let late = "its clock is 10001 ms behind ours, more than 10 s";
        assert_eq!(judge(TimeDelta::milliseconds(-10_001)), Err(late.to_owned()));
    }
}
