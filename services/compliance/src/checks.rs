//! `levqor doctor`'s check of Google Drive: whether it takes a file and gives it back.

use levqor_runtime::check::{Check, Finding, in_words};

use crate::config::Config;

/// The capability has the same name.
const NAME: &str = "compliance.google_drive_storage";

/// The checks that this configuration allows.
pub(crate) fn checks(config: &Config) -> Vec<Check> {
    let Some(drive) = config.drive.clone() else {
        let how = "the id of a Google OAuth client, with its secret and a refresh token";
        return vec![Check::known(NAME, Finding::not_set("LEVQOR_STORAGE_DRIVE_CLIENT_ID", how))];
    };
    vec![Check::new(NAME, "a file that is written, read and removed", async move {
        match drive.probe().await {
            Ok(()) => Finding::on("Google Drive takes files and gives them back"),
            Err(error) => Finding::failed(format!("Google Drive: {}", in_words(&error))),
        }
    })]
}
