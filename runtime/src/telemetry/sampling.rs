//! Decides which traces are recorded. A caller's decision counts only where callers are trusted.

use std::str::FromStr;

use opentelemetry::{
    Context, KeyValue,
    trace::{Link, SpanKind, TraceContextExt, TraceId},
};
use opentelemetry_sdk::trace::{IdGenerator, RandomIdGenerator, Sampler, SamplingResult, ShouldSample};

/// The port where a request arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Port {
    /// The gateway's port: anybody may call.
    Http,
    /// A service's port: the gateway and the other services call.
    Grpc,
}

/// The ports where a caller's sampling decision is trusted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Trusted(Vec<Port>);

/// The text is not a list of ports.
#[derive(Debug)]
pub(super) struct NotPorts;

impl FromStr for Trusted {
    type Err = NotPorts;

    fn from_str(text: &str) -> Result<Self, NotPorts> {
        if text == "none" {
            return Ok(Self::default());
        }
        let port = |name: &str| match name.trim() {
            "grpc" => Ok(Port::Grpc),
            "http" => Ok(Port::Http),
            _ => Err(NotPorts),
        };
        text.split(',').map(port).collect::<Result<_, _>>().map(Self)
    }
}

/// The configured sampler, and the ports whose decisions it follows.
#[derive(Debug, Clone)]
pub(super) struct Sampling {
    /// Decides for a trace that starts here.
    root: Sampler,
    /// Decides for the spans of a continued trace.
    inner: Sampler,
    trusted: Trusted,
}

impl Sampling {
    /// Creates it from the root sampler. `parent_based` says whether later spans follow their parents.
    pub(super) fn new(root: Sampler, parent_based: bool, trusted: Trusted) -> Self {
        let inner = if parent_based { Sampler::ParentBased(Box::new(root.clone())) } else { root.clone() };
        Self { root, inner, trusted }
    }

    fn is_trusted(&self, parent: &Context) -> bool {
        // A context without a port is ours: from deferred work, or from a span of this process.
        !parent.span().span_context().is_remote()
            || parent.get::<Port>().is_none_or(|port| self.trusted.0.contains(port))
    }
}

impl ShouldSample for Sampling {
    fn should_sample(
        &self,
        parent: Option<&Context>,
        trace_id: TraceId,
        name: &str,
        kind: &SpanKind,
        attributes: &[KeyValue],
        links: &[Link],
    ) -> SamplingResult {
        if parent.is_none_or(|parent| self.is_trusted(parent)) {
            return self.inner.should_sample(parent, trace_id, name, kind, attributes, links);
        }
        // The caller's trace id must not decide either: a stranger could choose one that is always recorded.
        let drawn = RandomIdGenerator::default().new_trace_id();
        self.root.should_sample(parent, drawn, name, kind, attributes, links)
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_sdk::trace::SamplingDecision;

    use super::*;
    use crate::telemetry::trace_context;

    /// Whether a request with this `traceparent` that arrives here is recorded.
    fn is_recorded(sampling: &Sampling, port: Option<Port>, flags: &str) -> bool {
        let parent = format!("00-00000000000000000000000000000001-b7ad6b7169203331-{flags}");
        let place = trace_context::of_text(&parent).expect("a parent");
        let trace_id = place.trace_id();
        let context = Context::new().with_remote_span_context(place);
        let context = match port {
            Some(port) => context.with_value(port),
            None => context,
        };
        let result = sampling.should_sample(Some(&context), trace_id, "x", &SpanKind::Server, &[], &[]);
        result.decision == SamplingDecision::RecordAndSample
    }

    #[test]
    fn a_caller_decides_what_is_recorded_only_where_it_is_trusted() {
        let (grpc, http) = (Some(Port::Grpc), Some(Port::Http));
        for (root, flags, trusted, expected) in [
            (Sampler::AlwaysOff, "01", "grpc", [true, false, true]),
            (Sampler::AlwaysOff, "01", "grpc,http", [true, true, true]),
            (Sampler::AlwaysOff, "01", "none", [false, false, true]),
            (Sampler::TraceIdRatioBased(0.0), "01", "grpc", [true, false, true]),
            // A stranger cannot prevent the recording of a request either.
            (Sampler::AlwaysOn, "00", "grpc", [false, true, false]),
            (Sampler::AlwaysOn, "00", "none", [true, true, false]),
        ] {
            let sampling = Sampling::new(root, true, trusted.parse().expect("ports"));
            let recorded = [grpc, http, None].map(|port| is_recorded(&sampling, port, flags));
            assert_eq!(recorded, expected, "{sampling:?} {flags}");
        }
    }

    #[test]
    fn a_stranger_cannot_choose_an_id_that_is_recorded() {
        // This sampler records the lowest trace ids first.
        let sampling = Sampling::new(Sampler::TraceIdRatioBased(0.000_001), true, Trusted::default());
        let recorded = (0..100).filter(|_| is_recorded(&sampling, Some(Port::Http), "01")).count();
        assert!(recorded < 5, "{recorded}");
    }

    #[test]
    fn a_text_that_is_no_list_of_ports_is_refused() {
        for text in ["", "all", "grpc,", "grpc none"] {
            assert!(text.parse::<Trusted>().is_err(), "{text}");
        }
    }
}
