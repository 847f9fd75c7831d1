//! Certificates for the processes of a mesh, from an authority of its own.

use std::sync::Mutex;

use levqor_runtime::{
    testing::{Authority, CertificateFiles},
    tls::MeshTls,
};

/// The certificates of a mesh. The files last as long as this.
pub(super) struct Certificates {
    authority: Authority,
    files: Mutex<Vec<CertificateFiles>>,
}

impl Certificates {
    /// Creates them on demand.
    pub(super) fn create() -> Self {
        Self { authority: Authority::create(), files: Mutex::default() }
    }

    /// Those of the process of this name.
    pub(super) fn of(&self, name: &'static str) -> MeshTls {
        let files = self.authority.files(name);
        let read = files.read(name).expect("certificates");
        self.files.lock().expect("files").push(files);
        read
    }
}
