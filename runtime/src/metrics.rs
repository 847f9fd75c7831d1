//! The metrics of the mesh: declared once, cheap to record, scraped by Prometheus and exported over OTLP.
//!
//! Each service has its own `Metrics`, so that several services in one process stay separate. A series is bound to its attributes
//! once, so recording needs no lookup. Attributes come from closed sets only.

pub mod calls;
pub mod chassis;
mod definition;
mod exemplar;
mod measured;
mod pool;
mod text;
mod wire;

use std::{
    collections::{HashMap, HashSet},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use opentelemetry::{
    InstrumentationScope,
    metrics::{AsyncInstrument, BoundCounter, BoundHistogram, Counter, Histogram, Meter, MeterProvider},
};
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    metrics::{
        InstrumentKind, ManualReader, Pipeline, SdkMeterProvider, Temporality, data::ResourceMetrics,
        reader::MetricReader,
    },
};

use tokio::sync::Semaphore;

use self::{
    exemplar::{Examples, Exemplars},
    measured::Measured,
    text::Page,
};

use crate::capability::{Capability, CapabilityState};

pub use opentelemetry::{KeyValue, trace::SpanContext};

pub(crate) use self::exemplar::find_traces;
pub use self::{
    definition::{Attribute, Definition, Kind, Values},
    exemplar::recorded_trace,
    measured::Readings,
    pool::PoolMetrics,
    text::Format,
};

/// One service's metrics. Cheap to clone.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    /// The meter's provider, kept alive.
    _provider: SdkMeterProvider,
    meter: Meter,
    reader: Reader,
    made: Mutex<Made>,
    examples: Examples,
    measured: Arc<Measured>,
}

/// Existing instruments: the SDK requires that each is created once.
#[derive(Default)]
struct Made {
    counters: HashMap<&'static str, Counter<u64>>,
    histograms: HashMap<&'static str, Histogram<f64>>,
    gauges: HashSet<&'static str>,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Metrics(…)")
    }
}

impl Metrics {
    /// Creates the metrics of this service and shows them on the metrics page.
    #[must_use]
    pub fn new(service: &str) -> Self {
        let resource = Resource::builder_empty()
            .with_attribute(KeyValue::new("service.name", format!("levqor-{service}")));
        Self::of(resource.build())
    }

    /// Creates the metrics of this resource.
    pub(crate) fn of(resource: Resource) -> Self {
        let reader = Reader::default();
        let provider =
            SdkMeterProvider::builder().with_resource(resource).with_reader(reader.clone()).build();
        let scope = InstrumentationScope::builder("levqor").with_version(env!("CARGO_PKG_VERSION")).build();
        let meter = provider.meter_with_scope(scope);
        Self(Arc::new(Inner {
            _provider: provider,
            meter,
            reader,
            made: Mutex::default(),
            examples: Examples::default(),
            measured: Arc::default(),
        }))
    }

    fn made(&self) -> MutexGuard<'_, Made> {
        self.0.made.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A series of a counter. It is shown from now on, as 0: an increase from a missing series is not visible.
    #[must_use]
    pub fn counter(&self, definition: &'static Definition, attributes: &[KeyValue]) -> Count {
        debug_assert_eq!(definition.kind, Kind::Counter);
        let mut made = self.made();
        let counter = made.counters.entry(definition.name).or_insert_with(|| {
            let builder = self.0.meter.u64_counter(definition.name);
            builder.with_unit(definition.unit).with_description(definition.description).build()
        });
        let bound = counter.bind(attributes);
        bound.add(0);
        Count(bound)
    }

    /// A series of a histogram. It is shown from its first value on.
    #[must_use]
    pub fn histogram(&self, definition: &'static Definition, attributes: &[KeyValue]) -> Timing {
        debug_assert_eq!(definition.kind, Kind::Histogram);
        let mut made = self.made();
        let histogram = made.histograms.entry(definition.name).or_insert_with(|| {
            let builder = self.0.meter.f64_histogram(definition.name);
            let builder = builder.with_boundaries(definition.buckets.to_vec());
            builder.with_unit(definition.unit).with_description(definition.description).build()
        });
        let labels = text::labels(attributes.iter());
        let exemplars = self.0.examples.place(definition.name, labels, definition.buckets);
        Timing { bound: histogram.bind(attributes), exemplars }
    }

    /// A gauge, or a counter that another component keeps, which is read at collection. Reading it must be cheap: no lock that is
    /// held for long, no query.
    pub fn gauge(
        &self,
        definition: &'static Definition,
        read: impl Fn(&dyn Fn(f64, &[KeyValue])) + Send + Sync + 'static,
    ) {
        let Definition { name, kind, unit, description, .. } = *definition;
        debug_assert_ne!(kind, Kind::Histogram);
        let observe = move |observer: &dyn AsyncInstrument<f64>| {
            read(&|value, attributes| observer.observe(value, attributes));
        };
        let meter = &self.0.meter;
        // The SDK keeps it as long as the provider lives.
        if kind == Kind::Gauge {
            let gauge = meter.f64_observable_gauge(name).with_unit(unit).with_description(description);
            let _ = gauge.with_callback(observe).build();
        } else {
            let counter = meter.f64_observable_counter(name).with_unit(unit).with_description(description);
            let _ = counter.with_callback(observe).build();
        }
    }

    /// Creates a gauge, unless the name exists already.
    fn gauge_once(
        &self,
        definition: &'static Definition,
        read: impl Fn(&dyn Fn(f64, &[KeyValue])) + Send + Sync + 'static,
    ) {
        if self.made().gauges.insert(definition.name) {
            self.gauge(definition, read);
        }
    }

    /// Shows how many request permits are taken. Call it once, while all of them are free.
    pub fn show_permits(&self, permits: &Arc<Semaphore>) {
        let (all, permits) = (permits.available_permits(), Arc::clone(permits));
        #[expect(clippy::cast_precision_loss, reason = "there are not that many permits")]
        self.gauge(&chassis::PERMITS, move |observe| {
            let free = permits.available_permits();
            observe(all.saturating_sub(free) as f64, &[KeyValue::new("state", "used")]);
            observe(free as f64, &[KeyValue::new("state", "free")]);
        });
    }

    /// Shows the capabilities that `list` returns at each collection. Call it once.
    pub fn capabilities(&self, list: impl Fn() -> Vec<Capability> + Send + Sync + 'static) {
        self.gauge(&chassis::CAPABILITY, move |observe| {
            for capability in list() {
                for (state, name) in [
                    (CapabilityState::On, "on"),
                    (CapabilityState::Off, "off"),
                    (CapabilityState::Failed, "failed"),
                ] {
                    let of = [KeyValue::new("capability", capability.name), KeyValue::new("state", name)];
                    observe(f64::from(u8::from(capability.state == state)), &of);
                }
            }
        });
    }

    /// All current values. It fails only in a meter that was shut down, which ours never is.
    fn collect(&self) -> ResourceMetrics {
        let mut collected = ResourceMetrics::default();
        let _ = self.0.reader.collect(&mut collected);
        collected
    }
}

/// The metrics of several services as one text.
#[must_use]
pub fn render(metrics: &[Metrics], format: Format) -> String {
    let mut page = Page::new(format);
    for metrics in metrics {
        page.add(&metrics.collect(), &metrics.0.examples);
    }
    page.finish()
}

/// A series of a counter.
#[derive(Debug, Clone)]
pub struct Count(BoundCounter<u64>);

impl Count {
    /// Counts one.
    pub fn one(&self) {
        self.0.add(1);
    }

    /// Counts several.
    pub fn add(&self, count: u64) {
        self.0.add(count);
    }
}

/// A series of a histogram.
#[derive(Debug, Clone)]
pub struct Timing {
    bound: BoundHistogram<f64>,
    exemplars: Arc<Exemplars>,
}

impl Timing {
    /// Records a duration.
    pub fn record(&self, took: Duration) {
        self.bound.record(took.as_secs_f64());
    }

    /// Records a duration with a trace as its exemplar. The trace is computed only now and then, and kept only if it is recorded.
    pub fn record_traced(&self, took: Duration, trace: impl FnOnce() -> Option<SpanContext>) {
        let seconds = took.as_secs_f64();
        self.bound.record(seconds);
        self.exemplars.keep(seconds, trace);
    }

    /// Records a number that is not a duration.
    pub fn note(&self, value: f64) {
        self.bound.record(value);
    }
}

/// The SDK's reader, shared between the provider and the page.
#[derive(Debug, Clone, Default)]
struct Reader(Arc<ManualReader>);

impl MetricReader for Reader {
    fn register_pipeline(&self, pipeline: std::sync::Weak<Pipeline>) {
        self.0.register_pipeline(pipeline);
    }

    fn collect(&self, metrics: &mut ResourceMetrics) -> OTelSdkResult {
        self.0.collect(metrics)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.0.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.0.shutdown_with_timeout(timeout)
    }

    fn temporality(&self, kind: InstrumentKind) -> Temporality {
        self.0.temporality(kind)
    }
}
