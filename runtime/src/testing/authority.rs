//! Authorities that sign certificates in a test, and the files of processes.

use std::{fs, path::PathBuf};

use chrono::{Datelike, NaiveDate};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

use crate::{
    config::{Env, Problems, Reader},
    id,
    tls::MeshTls,
};

/// An authority of a test. All authorities have the same name, and different keys.
pub struct Authority {
    certificate: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key, in PEM form.
pub struct Signed {
    /// The certificate.
    pub certificate: String,
    /// Its private key.
    pub key: String,
}

impl Authority {
    /// Creates an authority.
    #[must_use]
    pub fn create() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate").pem();
        Self { certificate, issuer: Issuer::new(params, key) }
    }

    /// Its own certificate, in PEM form.
    #[must_use]
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// Signs a certificate with these DNS names. It expires at the beginning of this year.
    #[must_use]
    pub fn sign(&self, names: &[&str], expires: i32) -> Signed {
        let new_year = |year| NaiveDate::from_ymd_opt(year, 1, 1).expect("a year");
        self.sign_between(names, new_year(1975), new_year(expires))
    }

    /// The same; it begins and expires at the beginning of these days.
    #[must_use]
    pub fn sign_between(&self, names: &[&str], begins: NaiveDate, expires: NaiveDate) -> Signed {
        let time = |day: NaiveDate| {
            let of_year = |number: u32| u8::try_from(number).expect("a month, or a day of one");
            rcgen::date_time_ymd(day.year(), of_year(day.month()), of_year(day.day()))
        };
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("names");
        (params.not_before, params.not_after) = (time(begins), time(expires));
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        Signed { certificate: certificate.pem(), key: key.serialize_pem() }
    }

    /// Signs the certificate of a process of the mesh.
    #[must_use]
    pub fn certify(&self, name: &str) -> Signed {
        self.sign(&[&format!("{name}.levqor.internal")], 4000)
    }

    /// The files of a process of the mesh.
    #[must_use]
    pub fn files(&self, name: &str) -> CertificateFiles {
        let folder = std::env::temp_dir().join(format!("levqor-certificates-{}", id::request_id()));
        fs::create_dir(&folder).expect("a folder");
        let files = CertificateFiles(folder);
        files.write(&self.certify(name), &self.certificate);
        files
    }
}

/// The files of a process, in a folder that is removed with this.
pub struct CertificateFiles(PathBuf);

impl CertificateFiles {
    fn path(&self, name: &str) -> String {
        self.0.join(name).to_string_lossy().into_owned()
    }

    /// The settings that name them.
    #[must_use]
    pub fn settings(&self) -> [(&'static str, String); 3] {
        [
            ("LEVQOR_MESH_TLS_CERT", self.path("tls.crt")),
            ("LEVQOR_MESH_TLS_KEY", self.path("tls.key")),
            ("LEVQOR_MESH_TLS_CA", self.path("ca.crt")),
        ]
    }

    /// Reads them, as the process of this name does.
    pub fn read(&self, name: &'static str) -> Result<MeshTls, Problems> {
        let env = Env::from_pairs(self.settings());
        let mut reader = Reader::new(&env);
        let tls = MeshTls::read(&mut reader, name, false);
        reader.finish(tls)
    }

    /// Replaces them, each at once.
    pub fn write(&self, signed: &Signed, authorities: &str) {
        let parts = [
            ("tls.key", signed.key.as_str()),
            ("tls.crt", signed.certificate.as_str()),
            ("ca.crt", authorities),
        ];
        for (name, content) in parts {
            fs::write(self.path("new"), content).expect("written");
            fs::rename(self.path("new"), self.path(name)).expect("renamed");
        }
    }
}

impl Drop for CertificateFiles {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
