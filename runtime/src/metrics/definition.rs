//! The definition of a metric: its name, kind, unit, meaning, and the closed sets of its attributes.

/// The kind of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It only increases, until the process ends.
    Counter,
    /// It sorts values into buckets.
    Histogram,
    /// It has a current value.
    Gauge,
}

impl Kind {
    /// The name in Prometheus.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Histogram => "histogram",
            Self::Gauge => "gauge",
        }
    }
}

/// The possible values of an attribute. Never a caller's text, an id, or personal data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Values {
    /// One of these.
    OneOf(&'static [&'static str]),
    /// A set that the code or the protos define, described in words.
    Known(&'static str),
}

/// An attribute of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attribute {
    /// Its name, dotted.
    pub key: &'static str,
    /// Its possible values.
    pub values: Values,
}

impl Attribute {
    /// Creates an attribute with one of these values.
    #[must_use]
    pub const fn one_of(key: &'static str, values: &'static [&'static str]) -> Self {
        Self { key, values: Values::OneOf(values) }
    }

    /// Creates an attribute with a closed set of values, described in words.
    #[must_use]
    pub const fn known(key: &'static str, what: &'static str) -> Self {
        Self { key, values: Values::Known(what) }
    }
}

/// A metric.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Definition {
    /// Its name in OpenTelemetry, dotted.
    pub name: &'static str,
    /// Its kind.
    pub kind: Kind,
    /// UCUM: `s`, `By`, `{call}`.
    pub unit: &'static str,
    /// Its meaning, in a sentence.
    pub description: &'static str,
    /// Its attributes.
    pub attributes: &'static [Attribute],
    /// The upper bounds of a histogram.
    pub buckets: &'static [f64],
}

/// From the fastest measured answer (0.2 ms) to the longest wait of a caller (15 s).
const SECONDS: &[f64] =
    &[0.0002, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0];

/// Up to the most attempts of a deferred call.
const ATTEMPTS: &[f64] = &[1.0, 2.0, 3.0, 5.0, 8.0, 12.0, 18.0, 25.0];

impl Definition {
    /// Defines a counter.
    #[must_use]
    pub const fn counter(
        name: &'static str,
        unit: &'static str,
        description: &'static str,
        attributes: &'static [Attribute],
    ) -> Self {
        Self { name, kind: Kind::Counter, unit, description, attributes, buckets: &[] }
    }

    /// Defines a gauge.
    #[must_use]
    pub const fn gauge(
        name: &'static str,
        unit: &'static str,
        description: &'static str,
        attributes: &'static [Attribute],
    ) -> Self {
        Self { name, kind: Kind::Gauge, unit, description, attributes, buckets: &[] }
    }

    /// Defines a histogram of durations, in seconds.
    #[must_use]
    pub const fn timing(
        name: &'static str,
        description: &'static str,
        attributes: &'static [Attribute],
    ) -> Self {
        Self { name, kind: Kind::Histogram, unit: "s", description, attributes, buckets: SECONDS }
    }

    /// Defines a histogram of attempts.
    pub(super) const fn attempts(
        name: &'static str,
        description: &'static str,
        attributes: &'static [Attribute],
    ) -> Self {
        Self { name, kind: Kind::Histogram, unit: "{try}", description, attributes, buckets: ATTEMPTS }
    }

    /// The metric family's name in Prometheus, by the OpenTelemetry specification: dots become underscores, and the unit is
    /// written out at the end. A counter's name lacks `_total`.
    #[must_use]
    pub fn family(&self) -> String {
        super::text::family(self.name, self.unit, self.kind == Kind::Gauge)
    }

    /// The names of its series in Prometheus.
    #[must_use]
    pub fn series(&self) -> Vec<String> {
        let family = self.family();
        match self.kind {
            Kind::Counter => vec![format!("{family}_total")],
            Kind::Gauge => vec![family],
            Kind::Histogram => ["bucket", "sum", "count"].map(|part| format!("{family}_{part}")).into(),
        }
    }
}
