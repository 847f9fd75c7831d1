//! Collects the audit entries and metrics of a transaction. The audit entries are written last, because they hold the lock of the
//! audit chain until the commit. The metrics are counted after the commit.

use levqor_runtime::{
    audit,
    context::Actor,
    db::{DbError, Tx},
    service::Service as _,
};

use crate::{
    Billing,
    domain::{money::Money, order::Tier},
    metrics::BillingMetrics,
};

/// An audit entry that is still to be written: the action, and the ids that it is about.
type Entry = (&'static str, Vec<(&'static str, String)>);

/// The audit entries and metrics of one transaction.
#[derive(Default)]
pub(crate) struct Aftermath {
    entries: Vec<Entry>,
    paid: Vec<(Money, Tier)>,
}

impl Aftermath {
    /// Adds an audit entry.
    pub(crate) fn audit(&mut self, action: &'static str, ids: &[(&'static str, &dyn std::fmt::Display)]) {
        let ids = ids.iter().map(|(name, id)| (*name, id.to_string())).collect();
        self.entries.push((action, ids));
    }

    /// Counts an order that became paid.
    pub(crate) fn paid(&mut self, amount: Money, tier: Tier) {
        self.paid.push((amount, tier));
    }

    /// Writes the audit entries. Nothing may be written after them in the transaction.
    pub(crate) async fn write(&self, tx: &mut Tx) -> Result<(), DbError> {
        let billing = Actor::Service(Billing::NAME.to_owned());
        for (action, ids) in &self.entries {
            let ids: Vec<_> = ids.iter().map(|(name, id)| (*name, id.as_str())).collect();
            audit::append(tx, &billing, action, &ids).await?;
        }
        Ok(())
    }

    /// Counts, after the commit.
    pub(crate) fn count(self, metrics: &BillingMetrics) {
        for (amount, tier) in self.paid {
            metrics.paid(&amount, tier);
        }
    }
}
