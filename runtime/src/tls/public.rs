//! The settings of the gateway's certificate, which all clients see.

use std::path::PathBuf;

use super::{
    files::Files,
    loaded::{Certificates, Live},
};
use crate::{
    check::Check,
    config::{Env, Reader, Setting},
    tasks::Background,
};

const CERTIFICATE: Setting = Setting::plain(
    "LEVQOR_TLS_CERT",
    None,
    "The file (PEM) with the certificate of the gateway, and those between it and its authority. With it the gateway's port accepts only HTTPS (HTTP/1.1 and HTTP/2). It is read again when it changes. Where it is not set, TLS ends in front of the gateway. Not for `levqor up`.",
);
const KEY: Setting =
    Setting::plain("LEVQOR_TLS_KEY", None, "The file (PEM) with the private key of that certificate.");

/// How the gateway proves its name to all clients. Without a certificate its port accepts plain HTTP.
pub struct PublicTls(Option<Certificates>);

impl PublicTls {
    /// The settings.
    #[must_use]
    pub fn settings() -> Vec<Setting> {
        vec![CERTIFICATE, KEY]
    }

    /// Reads the settings and the files. Returns `None` only after it noted a problem.
    pub fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let certificate: Option<PathBuf> = reader.optional(&CERTIFICATE, "a path");
        let key: Option<PathBuf> = reader.optional(&KEY, "a path");
        match (certificate, key) {
            (None, None) => Some(Self(None)),
            (Some(certificate), Some(key)) => {
                let files = Files { certificate, key, authorities: None };
                let settings = [CERTIFICATE, KEY, CERTIFICATE];
                Certificates::read(reader, files, None, &settings).map(|read| Self(Some(read)))
            }
            (certificate, _) => {
                let missing = if certificate.is_none() { CERTIFICATE } else { KEY };
                reader.problem(&missing, "is not set, and a certificate and its key belong together");
                None
            }
        }
    }

    /// Notes a problem for each of these settings that is set, for a process that cannot use them.
    pub fn refuse(reader: &mut Reader<'_>, why: &str) {
        for setting in Self::settings() {
            if reader.is_set(&setting) {
                reader.problem(&setting, why);
            }
        }
    }

    /// Changes the settings so that no certificate is used.
    pub fn switch_off(env: &mut Env) {
        for setting in Self::settings() {
            env.remove(&setting.name);
        }
    }

    /// Whether the port accepts HTTPS.
    #[must_use]
    pub const fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// The check of `levqor doctor` for the gateway's certificate. `None`: it has no certificate.
    #[must_use]
    pub fn check(&self) -> Option<Check> {
        self.0.as_ref().map(|certificates| certificates.check("gateway.certificate"))
    }

    /// Uses the certificate, and reads it again while the tasks run. `None`: plain HTTP.
    #[must_use]
    pub fn watched(self, tasks: &Background) -> Option<Live> {
        self.0.map(|certificates| certificates.watched(tasks))
    }
}
