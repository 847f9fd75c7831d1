//! The effects of a run of the retention periods in one service.

use chrono::{DateTime, Utc};
use levqor_proto_compliance::v1 as wire;
use levqor_proto_runtime::v1 as told;
use levqor_runtime::{timestamp, typed_id, wire_enum};
use serde::{Deserialize, Serialize};

use super::erasure::Receipt;

typed_id!(pub(crate) RetentionReportId, "a retention report");

wire_enum! {
    /// How far a run came in one service.
    pub(crate) enum RetentionState: wire::retention_report::State {
        /// Nothing more is too old.
        Complete = "COMPLETE",
        /// There was more to erase than one run erases.
        Incomplete = "INCOMPLETE",
        /// The service gave no answer yet, or an answer was lost.
        Unanswered = "UNANSWERED",
    }
}

/// What one period of a table did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Outcome {
    pub(crate) table: String,
    pub(crate) days: i32,
    /// The columns that it erases. Empty if it deletes the rows.
    pub(crate) columns: Vec<String>,
    pub(crate) rows: i64,
    /// The time of the oldest row that the table has, where that is known.
    pub(crate) oldest_time: Option<DateTime<Utc>>,
}

/// The report of a run in one service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RetentionReport {
    pub(crate) id: RetentionReportId,
    pub(crate) service: String,
    pub(crate) state: RetentionState,
    pub(crate) outcomes: Vec<Outcome>,
    pub(crate) create_time: DateTime<Utc>,
}

/// Stores the counts of a further call of the same run: each call counts from the beginning of the run.
pub(crate) fn take(outcomes: &mut Vec<Outcome>, further: Vec<told::RetentionOutcome>) {
    for outcome in further.into_iter().map(Outcome::from) {
        let same = |known: &&mut Outcome| known.table == outcome.table && known.days == outcome.days;
        match outcomes.iter_mut().find(same) {
            Some(known) => *known = outcome,
            None => outcomes.push(outcome),
        }
    }
}

impl RetentionReport {
    /// The number of erased rows, by table.
    pub(crate) fn erased(&self) -> Vec<Receipt> {
        let mut erased: Vec<Receipt> = Vec::new();
        for outcome in self.outcomes.iter().filter(|outcome| outcome.rows > 0) {
            match erased.iter_mut().find(|receipt| receipt.table == outcome.table) {
                Some(receipt) => receipt.rows += outcome.rows,
                None => erased.push(Receipt {
                    service: self.service.clone(),
                    table: outcome.table.clone(),
                    rows: outcome.rows,
                }),
            }
        }
        erased
    }
}

impl From<told::RetentionOutcome> for Outcome {
    fn from(outcome: told::RetentionOutcome) -> Self {
        let oldest_time = outcome.oldest_time.and_then(|it| DateTime::from_timestamp(it.seconds, 0));
        let told::RetentionOutcome { table, days, columns, rows, .. } = outcome;
        Self { table, days, columns, rows, oldest_time }
    }
}

impl From<Outcome> for wire::RetentionOutcome {
    fn from(outcome: Outcome) -> Self {
        let Outcome { table, days, columns, rows, oldest_time } = outcome;
        Self { table, days, columns, rows, oldest_time: oldest_time.map(timestamp) }
    }
}

impl From<RetentionReport> for wire::RetentionReport {
    fn from(report: RetentionReport) -> Self {
        Self {
            retention_report_id: report.id.to_string(),
            service: report.service,
            state: report.state.into(),
            outcomes: report.outcomes.into_iter().map(Into::into).collect(),
            create_time: Some(timestamp(report.create_time)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rows_of_a_period_are_those_of_the_last_call_that_reports_it() {
        let told = |table: &str, days, rows| told::RetentionOutcome {
            table: table.to_owned(),
            days,
            rows,
            ..Default::default()
        };
        let mut outcomes = Vec::new();
        take(&mut outcomes, vec![told("orders", 90, 3), told("orders", 365, 1)]);
        take(&mut outcomes, vec![told("orders", 90, 3), told("orders", 365, 5), told("mails", 90, 0)]);
        let rows: Vec<_> = outcomes.iter().map(|it| (it.table.as_str(), it.days, it.rows)).collect();
        assert_eq!(rows, [("orders", 90, 3), ("orders", 365, 5), ("mails", 90, 0)]);
        let report = RetentionReport {
            id: RetentionReportId::new_at(DateTime::UNIX_EPOCH),
            service: "billing".to_owned(),
            state: RetentionState::Complete,
            outcomes,
            create_time: DateTime::UNIX_EPOCH,
        };
        let erased: Vec<_> = report.erased().into_iter().map(|it| (it.table, it.rows)).collect();
        assert_eq!(erased, [("orders".to_owned(), 8)]);
    }
}
