//! The reports for operators, as a service fills them.

use chrono::{DateTime, Utc};
use levqor_proto_runtime::v1 as wire;

use crate::wire_enum;

wire_enum! {
    /// A report for operators.
    pub enum Report: wire::Report {
        /// What happened in the business, every day.
        DailyOperations = "DAILY_OPERATIONS",
        /// What failed, every day.
        DailyErrors = "DAILY_ERRORS",
        /// The results of the week, on Fridays.
        WeeklyPulse = "WEEKLY_PULSE",
        /// Whether the safeguards work, on Sundays.
        WeeklyGovernance = "WEEKLY_GOVERNANCE",
    }
}

/// A report and the time that it is about.
#[derive(Debug, Clone, Copy)]
pub struct Period {
    /// The report.
    pub report: Report,
    /// The beginning of the time.
    pub begin: DateTime<Utc>,
    /// Its end, exclusive.
    pub end: DateTime<Utc>,
}
