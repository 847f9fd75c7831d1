//! The personal data of one person: which tables hold it, and how a service exports, counts and erases it. All services share this code.
//! It reads the declarations in the comments of tables and columns (`docs/ARCHITECTURE.md`, "Personal data").

mod catalogue;
mod declaration;
mod erase;
mod holds;
mod ledger;
mod mention;
mod read;
mod receipts;
mod rectify;
mod retention;
mod row;
mod selection;

use std::{collections::BTreeSet, time::Duration};

pub(crate) use self::{
    catalogue::Table,
    erase::{Erasure, Progress, erase, planned},
    holds::standing_ids,
    ledger::subjects,
    read::{Walk, Which, files_of, left, plans, resolve},
    receipts::{applied, complete, completed_since},
    rectify::{Rectification, Value, ValueKind, rectify},
    retention::apply as apply_retention,
    selection::Search,
};
pub use self::{
    catalogue::{Catalogue, CatalogueError},
    declaration::Action,
    holds::{HoldChange, HoldKind, apply_hold, standing_holds, subject_of_hold},
    ledger::{Erasures, Ledger, LedgerError, LedgerKey, Recorded},
};

/// How long one call erases or corrects. The caller calls again until it is complete.
const CALL_TIME: Duration = Duration::from_secs(8);
/// The most rows that one commit of a correction or of the retention changes.
const BATCH: i64 = 500;

/// A person, by all known identifiers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Subject {
    /// The identity provider's ids.
    pub subs: BTreeSet<String>,
    /// The mail addresses, in normal form.
    pub emails: BTreeSet<String>,
    /// The person's ids at the payment vendor. The protos, the declarations and the table of holds name that vendor since v0.1.0, so those
    /// names stay.
    pub vendor_ids: BTreeSet<String>,
}

impl Subject {
    /// Whether it has no identifier. Then it has no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.subs.is_empty() && self.emails.is_empty() && self.vendor_ids.is_empty()
    }

    /// Adds further identifiers of the same person.
    pub(crate) fn add(&mut self, other: Self) {
        self.subs.extend(other.subs);
        self.emails.extend(other.emails);
        self.vendor_ids.extend(other.vendor_ids);
    }
}

/// The reason of the obstacle if a legal hold stops an erasure.
pub const LEGAL_HOLD: &str = "LEGAL_HOLD";

/// A reason why an erasure has to wait now, such as work that is not finished.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Obstacle {
    /// A name in upper case, such as `WORK_OPEN`.
    pub reason: &'static str,
    /// Our id of the row that causes it.
    pub about: String,
}
