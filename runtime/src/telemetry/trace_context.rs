//! Reads a caller's trace context, exactly as W3C Trace Context (level 1) defines it. An invalid context is ignored: a new trace
//! begins.

use http::HeaderMap;
use opentelemetry::{
    SpanId, TraceFlags, TraceId,
    trace::{SpanContext, TraceState},
};

/// The header of a span's trace context.
pub(super) const TRACE_PARENT: &str = "traceparent";
/// The header of other tracing systems' data.
pub(super) const TRACE_STATE: &str = "tracestate";

/// The most list members of a `tracestate` (3.3.1.1).
const MOST_MEMBERS: usize = 32;
/// The most characters of a `tracestate` that are propagated (3.3.1.5 requires at least this many).
const MOST_OF_STATE: usize = 512;

/// The trace context in the headers.
pub(super) fn of_headers(headers: &HeaderMap) -> Option<SpanContext> {
    let mut parents = headers.get_all(TRACE_PARENT).iter();
    let parent = parents.next()?;
    // With several different values, the caller's is not known.
    if parents.any(|other| other != parent) {
        return None;
    }
    let parent = of_text(parent.to_str().ok()?)?;
    let state = state(headers).unwrap_or_default();
    Some(SpanContext::new(parent.trace_id(), parent.span_id(), parent.trace_flags(), true, state))
}

/// The trace context in a `traceparent` (3.2).
pub(super) fn of_text(parent: &str) -> Option<SpanContext> {
    let mut parts = parent.split('-');
    let version = u8::try_from(hex(parts.next()?, 2)?).ok()?;
    let (trace, span) = (hex(parts.next()?, 32)?, hex(parts.next()?, 16)?);
    let flags = u8::try_from(hex(parts.next()?, 2)?).ok()?;
    // Version ff is forbidden. Later versions may append fields; this version must not.
    if version == 0xff || (version == 0 && parts.next().is_some()) {
        return None;
    }
    let span = u64::try_from(span).ok()?;
    let flags = TraceFlags::new(flags) & TraceFlags::SAMPLED;
    let place = SpanContext::new(TraceId::from(trace), SpanId::from(span), flags, true, TraceState::NONE);
    // Ids of only zeros are not valid.
    place.is_valid().then_some(place)
}

/// A number of exactly this many lower-case hexadecimal digits.
fn hex(text: &str, digits: usize) -> Option<u128> {
    let fits = text.len() == digits && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    if fits { u128::from_str_radix(text, 16).ok() } else { None }
}

/// Other systems' data of the trace. `None` if a part of it is invalid (3.3): a part of it would mislead them.
fn state(headers: &HeaderMap) -> Option<TraceState> {
    let mut members: Vec<(&str, &str)> = Vec::new();
    for value in headers.get_all(TRACE_STATE) {
        for member in value.to_str().ok()?.split(',') {
            let member = member.trim_matches([' ', '\t']);
            if member.is_empty() {
                continue;
            }
            let (key, value) = member.split_once('=')?;
            let known = members.iter().any(|(other, _)| *other == key);
            if known || members.len() == MOST_MEMBERS || !is_key(key) || !is_value(value) {
                return None;
            }
            members.push((key, value));
        }
    }
    let mut length = 0;
    members.retain(|(key, value)| {
        length += key.len() + value.len() + 2;
        length <= MOST_OF_STATE + 1
    });
    TraceState::from_key_value(members).ok()
}

/// A key: a name, or a tenant and a system (3.3.1.3.1).
fn is_key(key: &str) -> bool {
    let letter = |first: Option<char>| first.is_some_and(|first| first.is_ascii_lowercase());
    let rest =
        |text: &str| text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-*/".contains(c));
    match key.split_once('@') {
        None => key.len() <= 256 && letter(key.chars().next()) && rest(key),
        Some((tenant, system)) => {
            let begins = tenant.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
            let tenant = begins && tenant.len() <= 241 && rest(tenant);
            tenant && system.len() <= 14 && letter(system.chars().next()) && rest(system)
        }
    }
}

/// A value: visible ASCII and spaces; the last character is visible (3.3.1.3.2).
fn is_value(value: &str) -> bool {
    let fits = |b: u8| (0x20..=0x7e).contains(&b) && b != b',' && b != b'=';
    (1..=256).contains(&value.len()) && value.bytes().all(fits) && !value.ends_with(' ')
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn read(headers: &[(&'static str, &str)]) -> Option<SpanContext> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_bytes(value.as_bytes()).expect("a header"));
        }
        of_headers(&map)
    }

    #[test]
    fn a_trace_parent_of_the_standards_form_is_taken() {
        for parent in [
            PARENT,
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-ff",
            "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what-the-future-will-be-like",
            "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-",
        ] {
            let place = read(&[("traceparent", parent)]).expect(parent);
            assert_eq!(place.trace_id().to_string(), TRACE);
            assert!(place.is_remote());
        }
        assert!(read(&[("traceparent", PARENT)]).is_some_and(|place| place.is_sampled()));
        assert!(read(&[("traceparent", PARENT), ("traceparent", PARENT)]).is_some(), "twice the same");
    }

    #[test]
    fn a_trace_parent_of_any_other_form_begins_a_new_trace() {
        for parent in [
            "",
            "00",
            "00-0af7651916cd43dd8448eb211c80319-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c0-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b716920333-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b71692033311-01",
            "00-+af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-+7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-+1",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-1",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-001",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-00",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-",
            "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01.what",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "0-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "FF-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-B7AD6B7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0A",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            " 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00_0af7651916cd43dd8448eb211c80319c_b7ad6b7169203331_01",
            "00-0af7651916cd43dd8448eb211c80319é-b7ad6b7169203331-01",
        ] {
            assert_eq!(read(&[("traceparent", parent)]), None, "{parent}");
        }
        let other = "00-1af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        assert_eq!(read(&[("traceparent", PARENT), ("traceparent", other)]), None, "two that differ");
        assert_eq!(read(&[("tracestate", "a=1")]), None, "a state without a parent");
    }

    #[test]
    fn a_trace_state_is_passed_on_only_as_a_whole() {
        let of = |states: &[&str]| {
            let states = states.iter().map(|state| ("tracestate", *state));
            let headers: Vec<_> = [("traceparent", PARENT)].into_iter().chain(states).collect();
            read(&headers).expect("a parent").trace_state().header()
        };
        assert_eq!(of(&["vendor=1"]), "vendor=1");
        assert_eq!(of(&["a=1 , b=2,,", "0t@sys= x"]), "a=1,b=2,0t@sys= x");
        let (many, long) = (
            (0..33).map(|n| format!("k{n}=1")).collect::<Vec<_>>().join(","),
            (0..5).map(|n| format!("k{n}={}", "v".repeat(200))).collect::<Vec<_>>().join(","),
        );
        for state in [
            "a", "=1", "a=", "A=1", "1=1", "a=1,a=2", "a=1=2", "a@b@c=1", "a@=1", "@b=1", "é=1", "a=é",
            "a b=1", &many,
        ] {
            assert_eq!(of(&[state]), "", "{state}");
        }
        let (long_key, long_value) = (format!("{}=1", "k".repeat(257)), format!("a={}", "v".repeat(257)));
        assert_eq!((of(&[&long_key]), of(&[&long_value])), (String::new(), String::new()));
        assert!(of(&[&long]).len() <= MOST_OF_STATE, "{}", of(&[&long]).len());
    }
}
