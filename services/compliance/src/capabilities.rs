//! Compliance's capabilities.

use levqor_runtime::service::Capability;

use crate::Compliance;

/// The capabilities.
pub(crate) fn capabilities(compliance: &Compliance) -> Vec<Capability> {
    let of_vault = |name, how: &str| match compliance.vault {
        Some(_) => Capability::on(name, how),
        None => Capability::off(
            name,
            "a storage (LEVQOR_STORAGE_DIR or LEVQOR_STORAGE_S3_BUCKET) and LEVQOR_STORAGE_KEY are not both set",
        ),
    };
    vec![
        of_vault("data_exports", "copies of personal data are kept for 30 days, encrypted"),
        of_vault("erasures", "seven days after their approval, with a ledger in the storage"),
        of_vault("erasure_ledger_check", "each service compares itself with the ledger before it serves"),
        Capability::on("retention", "every day, by the periods that the tables declare, with reports"),
        Capability::on("audit_listing", "over the chains of all services, which are verified every day"),
        Capability::on("processing_record", "made from what the tables and settings of all services declare"),
        Capability::on("privacy_page", "at /privacy, for people with and without an account"),
        Capability::on("consent_ledger", consent_ledger(compliance)),
        Capability::on("legal_documents", "versions with their hashes; who accepted which is kept"),
        Capability::on("objections", "each service is told, and acts by a row of its own"),
        Capability::on(
            "rectification",
            "staff accept it; every service corrects the name, or a wrong address, in its rows",
        ),
        Capability::on("restriction", "staff accept it; every service keeps the data and does not use it"),
        Capability::on("legal_hold", "on people, by staff; erasures and retention periods wait"),
        google_drive(compliance),
        Capability::on(
            "privacy_complaints",
            "acknowledged by mail at once; operators are told of the 30 days",
        ),
        Capability::on("breaches", "a register with the 72 hours; staff tell the regulator and the people"),
        Capability::on(
            "high_risk_screen",
            format!("{} terms as whole words; they warn or block", compliance.screen.len()),
        ),
    ]
}

/// Whether copies go to Google Drive. `levqor doctor` tests it under the same name.
fn google_drive(compliance: &Compliance) -> Capability {
    let name = "google_drive_storage";
    match (&compliance.config.drive, &compliance.vault) {
        (None, _) => Capability::off(name, "LEVQOR_STORAGE_DRIVE_CLIENT_ID is not set"),
        (Some(_), None) => Capability::off(name, "LEVQOR_STORAGE_KEY is not set"),
        (Some(_), Some(_)) => {
            Capability::on(name, "copies for which 32 MiB of memory suffice go there first")
        }
    }
}

/// The ledger's entry about an erased person.
fn consent_ledger(compliance: &Compliance) -> &'static str {
    if compliance.config.address_key.is_some() {
        "append-only; the proof outlives an erasure under a hash of the address"
    } else {
        "append-only; LEVQOR_ADDRESS_KEY is not set: after an erasure the proof names nobody at all"
    }
}
