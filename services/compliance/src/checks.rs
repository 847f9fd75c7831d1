//! `levqor doctor`'s checks of Google Drive and of the storage behind it: whether each takes a file and gives it back.

use levqor_runtime::{
    check::{Check, Finding, in_words},
    service::Service,
    storage::Place,
};

use crate::{Compliance, config::Config};

/// The capability has the same name.
const DRIVE: &str = "compliance.google_drive_storage";
/// Where the ledger of erasures is, and the copies that are not in Google Drive.
const STORAGE: &str = "compliance.storage";

/// The checks that this configuration allows.
pub(crate) fn checks(config: &Config) -> Vec<Check> {
    vec![drive(config), Place::check(config.storage.clone(), STORAGE, Compliance::NAME)]
}

fn drive(config: &Config) -> Check {
    let Some(drive) = config.drive.clone() else {
        let how = "the id of a Google OAuth client, with its secret and a refresh token";
        return Check::known(DRIVE, Finding::not_set("LEVQOR_STORAGE_DRIVE_CLIENT_ID", how));
    };
    Check::new(DRIVE, "a file that is written, read and removed", async move {
        match drive.probe().await {
            Ok(()) => Finding::on("Google Drive takes files and gives them back"),
            Err(error) => Finding::failed(format!("Google Drive: {}", in_words(&error))),
        }
    })
}
