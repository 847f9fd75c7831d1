//! The SQL of this service: one file per table.

pub(crate) mod audit_checks;
pub(crate) mod breaches;
pub(crate) mod data_exports;
pub(crate) mod data_request_codes;
pub(crate) mod data_request_extensions;
pub(crate) mod data_request_refusals;
pub(crate) mod data_requests;
pub(crate) mod declarations;
pub(crate) mod erasures;
pub(crate) mod legal_documents;
pub(crate) mod placed_holds;
pub(crate) mod privacy_complaints;
pub(crate) mod rectifications;
pub(crate) mod retention_reports;
