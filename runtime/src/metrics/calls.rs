//! The duration of calls by RPC and status code, of servers and of clients. Rates and errors follow from it.

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
    time::Instant,
};

use opentelemetry::KeyValue;
use tonic::Code;
use tracing::Span;

use super::{Definition, Metrics, Timing, chassis, recorded_trace};
use crate::{access::Methods, grpc_code};

/// The name of an RPC that is not ours: health checks, reflection, and invented names.
const OTHER: &str = "_OTHER";

/// The timings of calls to one server or from one client. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Calls(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    by_path: HashMap<&'static str, Arc<ByCode>>,
    other: Arc<ByCode>,
}

impl Calls {
    /// Creates the timings of calls to a service.
    #[must_use]
    pub fn server(metrics: &Metrics, methods: &'static Methods) -> Self {
        Self::new(metrics, methods, &chassis::RPC_SERVER, None)
    }

    /// Creates the timings of calls from a client.
    #[must_use]
    pub fn client(metrics: &Metrics, methods: &'static Methods, to: &str) -> Self {
        Self::new(metrics, methods, &chassis::RPC_CLIENT, Some(to))
    }

    fn new(
        metrics: &Metrics,
        methods: &'static Methods,
        definition: &'static Definition,
        to: Option<&str>,
    ) -> Self {
        let by_code = |rpc: &str| {
            let mut attributes =
                vec![KeyValue::new("rpc.system.name", "grpc"), KeyValue::new("rpc.method", rpc.to_owned())];
            attributes.extend(to.map(|to| KeyValue::new("server.address", to.to_owned())));
            Arc::new(ByCode { metrics: metrics.clone(), definition, attributes, codes: Default::default() })
        };
        let by_path = methods.iter().map(|method| (method.path.as_str(), by_code(&method.rpc))).collect();
        Self(Arc::new(Inner { by_path, other: by_code(OTHER) }))
    }

    /// Starts the timer of a call.
    #[must_use]
    pub fn begin(&self, path: &str) -> Timer {
        let series = self.0.by_path.get(path).unwrap_or(&self.0.other);
        Timer { series: Arc::clone(series), begun: Instant::now(), code: Code::Cancelled }
    }
}

/// A running call. If it is dropped, its caller has gone, and it counts as cancelled.
#[derive(Debug)]
pub struct Timer {
    series: Arc<ByCode>,
    begun: Instant,
    code: Code,
}

impl Timer {
    /// Records the outcome of the call, within the current span.
    pub fn end(mut self, code: Code) {
        self.code = code;
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        let trace = || recorded_trace(&Span::current());
        self.series.timing(self.code).record_traced(self.begun.elapsed(), trace);
    }
}

/// The series of one RPC. Each is bound when its code first occurs.
#[derive(Debug)]
struct ByCode {
    metrics: Metrics,
    definition: &'static Definition,
    attributes: Vec<KeyValue>,
    codes: [OnceLock<Timing>; 17],
}

impl ByCode {
    fn timing(&self, code: Code) -> &Timing {
        // tonic's codes are 0 to 16.
        let slot =
            usize::try_from(i32::from(code)).ok().and_then(|n| self.codes.get(n)).unwrap_or(&self.codes[2]);
        slot.get_or_init(|| {
            let mut attributes = self.attributes.clone();
            attributes.push(KeyValue::new("rpc.response.status_code", grpc_code::name(code)));
            if grpc_code::is_failure(code) {
                attributes.push(KeyValue::new("error.type", grpc_code::name(code)));
            }
            self.metrics.histogram(self.definition, &attributes)
        })
    }
}
