//! The settings of the mesh's certificates: all three, or none on loopback addresses or with `LEVQOR_MESH_TLS=off`.

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

const SWITCH: Setting = Setting::plain(
    "LEVQOR_MESH_TLS",
    None,
    "`off`: calls between gateway and services go over plain TCP, also beyond this machine. Where it is not set, a process starts without certificates only if it listens on, and calls, loopback addresses alone.",
);
const CERTIFICATE: Setting = Setting::plain(
    "LEVQOR_MESH_TLS_CERT",
    None,
    "The file (PEM) with the certificate by which a process of `levqor serve` proves its name to the others, as a client and as a server: the DNS name is <role>.levqor.internal, such as billing.levqor.internal. It is read again when it changes.",
);
const KEY: Setting =
    Setting::plain("LEVQOR_MESH_TLS_KEY", None, "The file (PEM) with the private key of that certificate.");
const AUTHORITIES: Setting = Setting::plain(
    "LEVQOR_MESH_TLS_CA",
    None,
    "The file (PEM) with the authorities that sign the certificates of the mesh. All are accepted.",
);

/// How a process proves its name to other processes of the mesh. Without certificates it proves nothing, and uses plain TCP.
pub struct MeshTls(Option<Certificates>);

impl MeshTls {
    /// The settings.
    #[must_use]
    pub fn settings() -> Vec<Setting> {
        vec![SWITCH, CERTIFICATE, KEY, AUTHORITIES]
    }

    /// Reads the settings and the files of the process with this name. `is_local`: it listens on, and calls, loopback addresses only.
    /// Returns `None` only after it noted a problem.
    pub fn read(reader: &mut Reader<'_>, name: &'static str, is_local: bool) -> Option<Self> {
        let switch: Option<String> = reader.optional(&SWITCH, "`off`");
        let is_off = switch.as_deref() == Some("off");
        if switch.is_some() && !is_off {
            reader.problem(&SWITCH, "expected `off`");
        }
        let paths = [CERTIFICATE, KEY, AUTHORITIES].map(|setting| {
            let path: Option<PathBuf> = reader.optional(&setting, "a path");
            (setting, path)
        });
        match paths {
            [(_, None), (_, None), (_, None)] => {
                if switch.is_some() {
                    return is_off.then_some(Self(None));
                }
                if !is_local {
                    let expected = "is not set, and an address is not a loopback address; set it, LEVQOR_MESH_TLS_KEY and LEVQOR_MESH_TLS_CA, or LEVQOR_MESH_TLS=off for plain TCP";
                    reader.problem(&CERTIFICATE, expected);
                    return None;
                }
                Some(Self(None))
            }
            [(_, Some(_)), (_, Some(_)), (_, Some(_))] if switch.is_some() => {
                reader.problem(&SWITCH, "is set together with certificates; set it, or them");
                None
            }
            [(_, Some(certificate)), (_, Some(key)), (_, Some(authorities))] => {
                let files = Files { certificate, key, authorities: Some(authorities) };
                let settings = [CERTIFICATE, KEY, AUTHORITIES];
                Certificates::read(reader, files, Some(name), &settings).map(|read| Self(Some(read)))
            }
            incomplete => {
                for (setting, path) in incomplete {
                    if path.is_none() {
                        reader
                            .problem(&setting, "is not set, and LEVQOR_MESH_TLS_* are set all or not at all");
                    }
                }
                None
            }
        }
    }

    /// Changes the settings so that no certificates are used or required.
    pub fn switch_off(env: &mut Env) {
        for setting in [CERTIFICATE, KEY, AUTHORITIES] {
            env.remove(&setting.name);
        }
        env.set(&SWITCH.name, "off");
    }

    /// The check of `levqor doctor` for the certificate of the process with this name. `None`: it has no certificate.
    #[must_use]
    pub fn check(&self, name: &str) -> Option<Check> {
        self.0.as_ref().map(|certificates| certificates.check(format!("{name}.mesh_certificate")))
    }

    /// Uses the certificates, and reads them again while the tasks run. `None`: plain TCP.
    #[must_use]
    pub fn watched(self, tasks: &Background) -> Option<Live> {
        self.0.map(|certificates| certificates.watched(tasks))
    }

    /// Uses the current certificates, for a command that ends soon. `None`: plain TCP.
    #[must_use]
    pub fn as_read(&self) -> Option<Live> {
        self.0.as_ref().map(Certificates::as_read)
    }
}
