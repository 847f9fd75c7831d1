//! The part of a service's status that only staff see: versions, migrations, schedules and backlogs.

use chrono::{DateTime, Utc};
use levqor_proto::runtime::v1::{
    Backlog as WireBacklog, ErrorReportTest as WireTest, GetStatusResponse, Migrations as WireMigrations,
    Schedule as WireSchedule,
};
use prost_types::Timestamp;
use serde::Serialize;

/// The staff's part of a service's report.
#[derive(Serialize)]
pub(super) struct Staff<'m> {
    version: &'m str,
    #[serde(skip_serializing_if = "str::is_empty")]
    commit: &'m str,
    protocol: &'m str,
    #[serde(skip_serializing_if = "Option::is_none")]
    migrations: Option<Migrations>,
    #[serde(skip_serializing_if = "Option::is_none")]
    schedules: Option<Vec<Schedule<'m>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    backlog: Option<Backlog>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_report_test: Option<ErrorReportTest<'m>>,
}

#[derive(Serialize)]
struct Migrations {
    applied: i32,
    pending: i32,
    unknown: i32,
}

#[derive(Serialize)]
struct Schedule<'m> {
    name: &'m str,
    period_s: i64,
    last_slot_time: Option<DateTime<Utc>>,
    last_run_time: Option<DateTime<Utc>>,
    next_slot_time: Option<DateTime<Utc>>,
    late: bool,
}

#[derive(Serialize)]
struct Backlog {
    waiting: i64,
    dead: i64,
    oldest_due_age_s: i64,
    journal_pending: i64,
    journal_quarantined: i64,
}

#[derive(Serialize)]
struct ErrorReportTest<'m> {
    last_success_time: Option<DateTime<Utc>>,
    last_failure_time: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "str::is_empty")]
    failure: &'m str,
}

impl<'m> Staff<'m> {
    /// The part for a process without a database.
    pub(super) fn of_build(version: &'m str, commit: &'m str, protocol: &'m str) -> Self {
        Self {
            version,
            commit,
            protocol,
            migrations: None,
            schedules: None,
            backlog: None,
            error_report_test: None,
        }
    }

    /// The part for a service, from its own answer.
    pub(super) fn of_service(answer: &'m GetStatusResponse) -> Self {
        Self {
            migrations: answer.migrations.as_ref().map(Into::into),
            schedules: Some(answer.schedules.iter().map(Into::into).collect()),
            backlog: answer.backlog.as_ref().map(Into::into),
            error_report_test: answer.error_report_test.as_ref().map(Into::into),
            ..Self::of_build(&answer.version, &answer.commit, &answer.protocol)
        }
    }
}

/// A time from the wire. `None` if it is absent or invalid.
pub(super) fn time(timestamp: Option<&Timestamp>) -> Option<DateTime<Utc>> {
    let timestamp = timestamp?;
    DateTime::from_timestamp(timestamp.seconds, u32::try_from(timestamp.nanos).ok()?)
}

impl From<&WireMigrations> for Migrations {
    fn from(wire: &WireMigrations) -> Self {
        Self { applied: wire.applied, pending: wire.pending, unknown: wire.unknown }
    }
}

impl<'m> From<&'m WireSchedule> for Schedule<'m> {
    fn from(wire: &'m WireSchedule) -> Self {
        Self {
            name: &wire.name,
            period_s: wire.period_s,
            last_slot_time: time(wire.last_slot_time.as_ref()),
            last_run_time: time(wire.last_run_time.as_ref()),
            next_slot_time: time(wire.next_slot_time.as_ref()),
            late: wire.late,
        }
    }
}

impl From<&WireBacklog> for Backlog {
    fn from(wire: &WireBacklog) -> Self {
        Self {
            waiting: wire.waiting,
            dead: wire.dead,
            oldest_due_age_s: wire.oldest_due_age_s,
            journal_pending: wire.journal_pending,
            journal_quarantined: wire.journal_quarantined,
        }
    }
}

impl<'m> From<&'m WireTest> for ErrorReportTest<'m> {
    fn from(wire: &'m WireTest) -> Self {
        Self {
            last_success_time: time(wire.last_success_time.as_ref()),
            last_failure_time: time(wire.last_failure_time.as_ref()),
            failure: &wire.failure,
        }
    }
}
