//! What a metric is, said once: its name, kind, unit, meaning, and the closed sets that its attributes come from.

/// What a number does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It only rises, until the process ends.
    Counter,
    /// It is spread over buckets.
    Histogram,
    /// It is what it is now.
    Gauge,
}

impl Kind {
    /// As Prometheus calls it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Histogram => "histogram",
            Self::Gauge => "gauge",
        }
    }
}

/// What an attribute can be. Never what a caller makes up, never an id, never anything about a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Values {
    /// One of these.
    OneOf(&'static [&'static str]),
    /// One of a set that the code or the protos close; in words.
    Known(&'static str),
}

/// An attribute of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attribute {
    /// Its name, dotted.
    pub key: &'static str,
    /// What it can be.
    pub values: Values,
}

impl Attribute {
    /// One of these.
    #[must_use]
    pub const fn one_of(key: &'static str, values: &'static [&'static str]) -> Self {
        Self { key, values: Values::OneOf(values) }
    }

    /// One of a closed set, in words.
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
    /// What it does.
    pub kind: Kind,
    /// UCUM: `s`, `By`, `{call}`.
    pub unit: &'static str,
    /// What it tells, in a sentence.
    pub description: &'static str,
    /// What it is split by.
    pub attributes: &'static [Attribute],
    /// Upper bounds, of a histogram.
    pub buckets: &'static [f64],
}

/// From the fastest answer that was measured (0.2 ms) to the longest that a caller waits (15 s).
const SECONDS: &[f64] =
    &[0.0002, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0];

impl Definition {
    /// A counter.
    #[must_use]
    pub const fn counter(
        name: &'static str,
        unit: &'static str,
        description: &'static str,
        attributes: &'static [Attribute],
    ) -> Self {
        Self { name, kind: Kind::Counter, unit, description, attributes, buckets: &[] }
    }

    /// A gauge.
    #[must_use]
    pub const fn gauge(
        name: &'static str,
        unit: &'static str,
        description: &'static str,
        attributes: &'static [Attribute],
    ) -> Self {
        Self { name, kind: Kind::Gauge, unit, description, attributes, buckets: &[] }
    }

    /// A histogram of durations, in seconds.
    #[must_use]
    pub const fn timing(
        name: &'static str,
        description: &'static str,
        attributes: &'static [Attribute],
    ) -> Self {
        Self { name, kind: Kind::Histogram, unit: "s", description, attributes, buckets: SECONDS }
    }

    /// The metric family's name in Prometheus, as the OpenTelemetry specification translates it: dots become underscores,
    /// the unit is spelt out at the end. Of a counter it lacks `_total`.
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
