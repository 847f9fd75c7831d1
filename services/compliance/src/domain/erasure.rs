//! An erasure over all services: its preview, its steps and its receipt.

use chrono::TimeDelta;
use levqor_proto_compliance::v1::{ErasedRows, PlannedErasure, RectifiedRows};
use levqor_proto_runtime::v1::{ErasureObstacle, ErasurePlan, TableRows, erasure_plan::Action};
use levqor_runtime::wire_enum;
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

/// How long the last mail has to go out, before its address is erased.
pub(crate) const MAIL_TIME: TimeDelta = TimeDelta::minutes(10);
/// How long an erasure waits before it looks at its obstacles again.
pub(crate) const LOOK_AGAIN: TimeDelta = TimeDelta::days(1);

wire_enum! {
    /// How far an erasure is.
    pub(crate) enum Progress {
        /// Its owner or staff approved it.
        Approved = "APPROVED",
        /// The services that need no mail are erased. At its end, the ledger has it.
        Erasing = "ERASING",
        /// The last mail is under way.
        Told = "TOLD",
        /// The ledger has its final time.
        Recorded = "RECORDED",
        /// Nothing is left.
        Complete = "COMPLETE",
    }
}

/// The services' answers about the effects of an erasure.
#[derive(Debug, Clone, Default)]
pub(crate) struct Preview {
    pub(crate) services: Vec<ServicePreview>,
}

/// The answer of one service.
#[derive(Debug, Clone)]
pub(crate) struct ServicePreview {
    pub(crate) service: String,
    pub(crate) plans: Vec<ErasurePlan>,
    pub(crate) obstacles: Vec<ErasureObstacle>,
}

impl Preview {
    /// The reasons why the erasure has to wait.
    pub(crate) fn obstacles(&self) -> Vec<String> {
        let mut obstacles: Vec<String> = Vec::new();
        for obstacle in self.services.iter().flat_map(|service| &service.obstacles) {
            let obstacle = format!("{} {}", obstacle.reason, obstacle.about);
            // Every service names a legal hold.
            if !obstacles.contains(&obstacle) {
                obstacles.push(obstacle);
            }
        }
        obstacles
    }

    /// Every table of every service.
    pub(crate) fn plans(&self) -> Vec<PlannedErasure> {
        let planned = |service: &ServicePreview| {
            let plans = service.plans.iter().map(|plan| PlannedErasure {
                service: service.service.clone(),
                table: plan.table.clone(),
                action: name(plan.action()).to_owned(),
                rows: plan.rows,
                kept_columns: plan.kept_columns.clone(),
                ground: plan.ground.clone(),
                keep: plan.keep.clone(),
            });
            plans.collect::<Vec<_>>()
        };
        self.services.iter().flat_map(planned).collect()
    }

    /// The hash of the rows to erase, the rows to keep, and the reasons. It leaves out queues and logs of calls: each preview changes them.
    pub(crate) fn hash(&self) -> String {
        let own = |plan: &&PlannedErasure| !plan.table.starts_with("runtime.");
        let plans = self.plans();
        let lines = plans.iter().filter(own).map(|plan| {
            format!("{} {} {} {} {:?}\n", plan.service, plan.table, plan.action, plan.rows, plan.kept_columns)
        });
        hex::encode(digest(&SHA256, lines.collect::<String>().as_bytes()))
    }

    /// What stays, for the person: one line for each service and ground, of at most 256 characters.
    pub(crate) fn kept(&self) -> Vec<String> {
        let mut kept: Vec<String> = Vec::new();
        for plan in self.plans().iter().filter(|plan| !plan.ground.is_empty()) {
            let line: String = format!("{}: {}", plan.service, plan.ground).chars().take(256).collect();
            if !kept.contains(&line) {
                kept.push(line);
            }
        }
        kept
    }
}

/// The name of an action, for people.
pub(crate) const fn name(action: Action) -> &'static str {
    match action {
        Action::Unspecified => "",
        Action::Delete => "DELETE",
        Action::Null => "NULL",
        Action::Pseudonymise => "PSEUDONYMISE",
        Action::Keep => "KEEP",
    }
}

/// A line of the receipt of an erasure, or of a correction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Receipt {
    pub(crate) service: String,
    pub(crate) table: String,
    pub(crate) rows: i64,
}

impl Receipt {
    /// The lines of one service.
    pub(crate) fn of(service: &str, erased: Vec<TableRows>) -> Vec<Self> {
        let line = |it: TableRows| Self { service: service.to_owned(), table: it.table, rows: it.rows };
        erased.into_iter().map(line).collect()
    }
}

impl From<Receipt> for RectifiedRows {
    fn from(receipt: Receipt) -> Self {
        Self { service: receipt.service, table: receipt.table, rows: receipt.rows }
    }
}

impl From<Receipt> for ErasedRows {
    fn from(receipt: Receipt) -> Self {
        Self { service: receipt.service, table: receipt.table, rows: receipt.rows }
    }
}
