//! The metrics of compliance.

use levqor_runtime::metrics::Definition;

/// Requests that are not answered yet.
pub const OPEN_REQUESTS: Definition = Definition::gauge(
    "levqor.compliance.data_requests.open",
    "{request}",
    "Data requests that are not answered yet. Counted up to 1,000.",
    &[],
);
/// Requests whose time to answer is over.
pub const OVERDUE_REQUESTS: Definition = Definition::gauge(
    "levqor.compliance.data_requests.overdue",
    "{request}",
    "Data requests that should have been answered by now. Counted up to 1,000.",
    &[],
);

/// Audit chains that are not whole.
pub const BROKEN_AUDIT_CHAINS: Definition = Definition::gauge(
    "levqor.compliance.audit_chains.broken",
    "{chain}",
    "Services whose audit chain was not whole at the last check.",
    &[],
);

/// Breaches for which nobody has decided yet whether to notify the regulator.
pub const OPEN_BREACHES: Definition = Definition::gauge(
    "levqor.compliance.breaches.open",
    "{breach}",
    "Breaches of personal data for which nobody has decided yet whether to notify the regulator. Counted up to 1,000.",
    &[],
);
/// Breaches whose 72 hours are over.
pub const OVERDUE_BREACHES: Definition = Definition::gauge(
    "levqor.compliance.breaches.overdue",
    "{breach}",
    "Breaches of personal data that should have been reported to the regulator by now. Counted up to 1,000.",
    &[],
);

/// Complaints about the use of personal data without an outcome.
pub const OPEN_COMPLAINTS: Definition = Definition::gauge(
    "levqor.compliance.privacy_complaints.open",
    "{complaint}",
    "Complaints about the use of personal data without an outcome. Counted up to 1,000.",
    &[],
);
/// Complaints that should have been acknowledged.
pub const OVERDUE_COMPLAINTS: Definition = Definition::gauge(
    "levqor.compliance.privacy_complaints.overdue",
    "{complaint}",
    "Complaints about the use of personal data that should have been acknowledged by now. Counted up to 1,000.",
    &[],
);

/// All metrics.
pub const ALL: &[Definition] = &[
    OPEN_REQUESTS,
    OVERDUE_REQUESTS,
    BROKEN_AUDIT_CHAINS,
    OPEN_BREACHES,
    OVERDUE_BREACHES,
    OPEN_COMPLAINTS,
    OVERDUE_COMPLAINTS,
];
