//! Values that only the database knows. They are measured on a schedule, so a scrape costs no query. Each has its measurement
//! time. A value that could not be measured is absent, not zero.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use chrono::{DateTime, Utc};
use opentelemetry::KeyValue;

use super::{Metrics, chassis, definition::Definition};

/// The result of one measurement.
#[derive(Debug, Default, Clone)]
pub struct Readings(Vec<(&'static Definition, Vec<KeyValue>, f64)>);

impl Readings {
    /// Adds a number.
    #[expect(clippy::cast_precision_loss, reason = "no count comes near 2^53")]
    pub fn count(&mut self, definition: &'static Definition, attributes: &[KeyValue], value: i64) {
        self.0.push((definition, attributes.to_vec(), value as f64));
    }

    /// Adds a number of seconds.
    pub fn seconds(&mut self, definition: &'static Definition, attributes: &[KeyValue], value: f64) {
        self.0.push((definition, attributes.to_vec(), value));
    }

    /// Adds an instant, in seconds since 1970.
    pub fn instant(&mut self, definition: &'static Definition, attributes: &[KeyValue], at: DateTime<Utc>) {
        self.seconds(definition, attributes, since_1970(at));
    }
}

#[expect(clippy::cast_precision_loss, reason = "no instant comes near 2^53 milliseconds")]
fn since_1970(at: DateTime<Utc>) -> f64 {
    at.timestamp_millis() as f64 / 1000.0
}

/// The last result of one measurement.
#[derive(Debug, Default)]
struct Group {
    /// When it last succeeded.
    time: Option<DateTime<Utc>>,
    /// Its values; empty where it failed.
    readings: Readings,
}

/// The last results of every measurement of a service.
#[derive(Debug, Default)]
pub(super) struct Measured(Mutex<BTreeMap<&'static str, Group>>);

impl Measured {
    fn each(&self, mut visit: impl FnMut(&'static str, &Group)) {
        let groups = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        groups.iter().for_each(|(name, group)| visit(name, group));
    }
}

impl Metrics {
    /// Publishes the result of a measurement. A failure hides its values until the next success.
    pub fn publish(&self, measurement: &'static str, now: DateTime<Utc>, outcome: Option<Readings>) {
        let succeeded = outcome.is_some();
        self.show_measurements();
        let readings = outcome.unwrap_or_default();
        for (definition, ..) in &readings.0 {
            self.show_readings(definition);
        }
        let mut groups = self.0.measured.0.lock().unwrap_or_else(PoisonError::into_inner);
        let group = groups.entry(measurement).or_default();
        group.time = succeeded.then_some(now).or(group.time);
        group.readings = readings;
    }

    fn show_measurements(&self) {
        let measured = Arc::clone(&self.0.measured);
        self.gauge_once(&chassis::MEASURED, move |observe| {
            measured.each(|name, group| {
                if let Some(time) = group.time {
                    observe(since_1970(time), &[KeyValue::new("measurement", name)]);
                }
            });
        });
    }

    fn show_readings(&self, definition: &'static Definition) {
        let measured = Arc::clone(&self.0.measured);
        self.gauge_once(definition, move |observe| {
            measured.each(|_, group| {
                for (of, attributes, value) in &group.readings.0 {
                    if of.name == definition.name {
                        observe(*value, attributes);
                    }
                }
            });
        });
    }
}
