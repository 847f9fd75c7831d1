//! Sends an error report that is marked as a test. It bypasses all queues, so that its result is known.

use chrono::{DateTime, Utc};
use reqwest::StatusCode;
use sentry::{
    Envelope,
    protocol::{Event, Level},
    types::{Dsn, Uuid},
};
use serde::Deserialize;

use super::{TelemetryConfig, errors};
use crate::{http::http_client, version};

/// Where error reports go.
#[derive(Clone)]
pub struct ErrorReports {
    dsn: Dsn,
    environment: String,
}

/// A test did not arrive. The text holds only the status of the server's answer.
#[derive(Debug, thiserror::Error)]
pub enum NotArrived {
    /// No connection, or no answer in time.
    #[error("the server of SENTRY_DSN cannot be reached")]
    Unreachable(#[source] reqwest::Error),
    /// An answer without success.
    #[error("the server of SENTRY_DSN answered {0}")]
    Refused(StatusCode),
    /// A success that does not name the event: the server is not a Sentry.
    #[error("the server of SENTRY_DSN answered 200 without the event's id")]
    NoId,
}

#[derive(Deserialize)]
struct Accepted {
    id: String,
}

impl TelemetryConfig {
    /// Where error reports go. `None` if they are off.
    #[must_use]
    pub fn error_reports(&self) -> Option<ErrorReports> {
        let dsn = self.sentry.as_ref()?.0.clone();
        Some(ErrorReports { dsn, environment: self.environment.clone() })
    }
}

impl ErrorReports {
    /// The host of the server.
    #[must_use]
    pub fn host(&self) -> &str {
        self.dsn.host()
    }

    /// Sends a test in the name of this service or command, and waits until it was accepted. Returns the event's id.
    pub async fn test(&self, from: &str, now: DateTime<Utc>) -> Result<String, NotArrived> {
        let event = self.event(from, now);
        let id = event.event_id.simple().to_string();
        let mut body = Vec::new();
        // Writing to memory cannot fail.
        let _ = Envelope::from(event).to_writer(&mut body);
        let client = http_client().map_err(NotArrived::Unreachable)?;
        let unreachable = |error: reqwest::Error| NotArrived::Unreachable(error.without_url());
        let answer = errors::request(&client, &self.dsn, body).send().await.map_err(unreachable)?;
        if answer.status() != StatusCode::OK {
            return Err(NotArrived::Refused(answer.status()));
        }
        let accepted: Accepted = answer.json().await.map_err(|_| NotArrived::NoId)?;
        if accepted.id.replace('-', "") == id { Ok(id) } else { Err(NotArrived::NoId) }
    }

    fn event(&self, from: &str, now: DateTime<Utc>) -> Event<'static> {
        let what = format!("This is a test by {from}: reports of errors arrive.");
        let mut event = Event {
            event_id: Uuid::from_bytes(crate::id::uuid_at(now).into_bytes()),
            level: Level::Info,
            message: Some(what),
            // Sentry groups all tests of one sender into one issue.
            fingerprint: vec!["levqor-self-test".into(), from.to_owned().into()].into(),
            release: Some(format!("levqor@{}", version::VERSION).into()),
            environment: Some(self.environment.clone().into()),
            timestamp: now.into(),
            ..Event::default()
        };
        event.tags.insert("levqor.service".to_owned(), from.to_owned());
        event
    }
}
