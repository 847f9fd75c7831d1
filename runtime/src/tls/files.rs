//! The PEM files of a certificate. They are read together.

use std::{
    fs,
    path::{Path, PathBuf},
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// The certificate, with the intermediate certificates.
    Certificate,
    /// Its private key.
    Key,
    /// The authorities that sign the certificates of clients and servers.
    Authorities,
}

/// Why the files cannot be used. It holds no content of a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name}: {problem}")]
pub(crate) struct Unusable {
    pub(super) part: Part,
    name: &'static str,
    pub(super) problem: String,
}

impl Unusable {
    pub(super) fn new(part: Part, problem: impl Into<String>) -> Self {
        let name = match part {
            Part::Certificate => "certificate",
            Part::Key => "private key",
            Part::Authorities => "certificates of authorities",
        };
        Self { part, name, problem: problem.into() }
    }
}

/// One value for each file.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Parts<T> {
    pub(super) certificate: T,
    pub(super) key: T,
    /// `None`: the client shows no certificate.
    pub(super) authorities: Option<T>,
}

/// The paths of the files.
pub(super) type Files = Parts<PathBuf>;
/// The contents of the files.
pub(super) type Contents = Parts<Vec<u8>>;

impl Files {
    pub(super) fn read(&self) -> Result<Contents, Unusable> {
        let authorities = self.authorities.as_deref().map(|path| read(Part::Authorities, path));
        Ok(Contents {
            certificate: read(Part::Certificate, &self.certificate)?,
            key: read(Part::Key, &self.key)?,
            authorities: authorities.transpose()?,
        })
    }
}

fn read(part: Part, path: &Path) -> Result<Vec<u8>, Unusable> {
    fs::read(path).map_err(|error| Unusable::new(part, format!("the file cannot be read ({})", error.kind())))
}
