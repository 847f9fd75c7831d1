//! Where files are stored: a folder of the local disk, a bucket of a service that supports S3, or a bucket with a folder as its fallback.

use std::{
    iter,
    path::{Path, PathBuf},
    str::FromStr,
};

use secrecy::SecretString;

use super::Storage;
use crate::{
    check::{Check, Finding, in_words},
    client::ApiBase,
    config::{Reader, Setting},
};

const FOLDER: Setting = Setting::plain(
    "LEVQOR_STORAGE_DIR",
    None,
    "Folder for files, such as those that customers upload; every replica of a service needs the same one. Without it and without a bucket no file can be uploaded. With a bucket, files go to the folder while the bucket fails. Where neither is set, `levqor up` takes the folder `files` of its data directory.",
);
const BUCKET: Setting = Setting::plain(
    "LEVQOR_STORAGE_S3_BUCKET",
    None,
    "Bucket for files, instead of a folder or in addition to it. Give it a lifecycle rule that ends incomplete multipart uploads after a day: a killed service leaves them behind.",
);
const ENDPOINT: Setting = Setting::plain(
    "LEVQOR_STORAGE_S3_ENDPOINT",
    Some("https://s3.amazonaws.com"),
    "URL of the service that has the bucket: https, or http to this machine.",
);
const REGION: Setting =
    Setting::plain("LEVQOR_STORAGE_S3_REGION", Some("eu-west-2"), "Region of the bucket.");
const KEY_ID: Setting = Setting::plain(
    "LEVQOR_STORAGE_S3_ACCESS_KEY_ID",
    None,
    "Id of the access key of the bucket; required with a bucket. The key must read, write and delete objects.",
);
const KEY: Setting = Setting::secret(
    "LEVQOR_STORAGE_S3_SECRET_ACCESS_KEY",
    "The access key of the bucket; required with a bucket.",
);

/// Where files are stored.
#[derive(Debug, Clone)]
pub struct Place {
    pub(super) first: Kind,
    /// Files go to it while the first one fails.
    pub(super) fallback: Option<Kind>,
}

/// The kinds of places.
#[derive(Debug, Clone)]
pub(super) enum Kind {
    Folder(Folder),
    Bucket(Box<Bucket>),
}

impl Kind {
    /// In words.
    pub(super) const fn in_words(&self) -> &'static str {
        match self {
            Self::Folder(_) => "the folder of LEVQOR_STORAGE_DIR",
            Self::Bucket(_) => "the bucket of LEVQOR_STORAGE_S3_BUCKET",
        }
    }

    /// The name that a database stores with a file. It does not contain the path of a folder, which may be mounted elsewhere.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Folder(_) => "folder".to_owned(),
            Self::Bucket(bucket) => format!("bucket:{}:{}", bucket.endpoint.host(), bucket.name),
        }
    }
}

/// A folder, by its whole path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Folder(pub(super) PathBuf);

/// A bucket, and how to connect to it.
#[derive(Debug, Clone)]
pub(super) struct Bucket {
    pub(super) name: String,
    pub(super) endpoint: ApiBase,
    pub(super) region: String,
    pub(super) key_id: String,
    pub(super) key: SecretString,
}

/// The text is not the whole path of a folder.
#[derive(Debug, thiserror::Error)]
#[error("not the whole path of a folder")]
pub(super) struct NotAFolder;

impl FromStr for Folder {
    type Err = NotAFolder;

    fn from_str(text: &str) -> Result<Self, NotAFolder> {
        let path = Path::new(text);
        if path.is_absolute() { Ok(Self(path.to_owned())) } else { Err(NotAFolder) }
    }
}

/// Reads a secret that must be set.
pub fn required_secret(reader: &mut Reader<'_>, setting: &Setting, expected: &str) -> Option<SecretString> {
    let secret = reader.secret(setting);
    if secret.is_none() && !reader.is_set(setting) {
        reader.problem(setting, format!("is not set; expected {expected}"));
    }
    secret
}

impl Place {
    /// The settings that name it.
    #[must_use]
    pub fn settings() -> Vec<Setting> {
        vec![FOLDER, BUCKET, ENDPOINT, REGION, KEY_ID, KEY]
    }

    /// Whether a setting that names it is set.
    #[must_use]
    pub fn is_named(is_set: impl Fn(&str) -> bool) -> bool {
        [FOLDER, BUCKET].iter().any(|setting| is_set(&setting.name))
    }

    /// Whether a setting that names it is set, by a reader.
    #[must_use]
    pub fn is_set(reader: &Reader<'_>) -> bool {
        [FOLDER, BUCKET].iter().any(|setting| reader.is_set(setting))
    }

    /// Reads the settings. `None` if neither a folder nor a bucket is set, or after it noted a problem.
    pub fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let folder = reader.optional(&FOLDER, "the whole path of a folder").map(Kind::Folder);
        let name = reader.optional::<String>(&BUCKET, "the name of a bucket");
        match name {
            Some(name) => Some(Self { first: Self::bucket(reader, name)?, fallback: folder }),
            None => folder.map(|first| Self { first, fallback: None }),
        }
    }

    fn bucket(reader: &mut Reader<'_>, name: String) -> Option<Kind> {
        let endpoint = reader.defaulted(&ENDPOINT, ApiBase::EXPECTED);
        let region = reader.defaulted(&REGION, "the name of a region");
        let key_id = reader.required(&KEY_ID, "the id of the bucket's access key");
        let key = required_secret(reader, &KEY, "the bucket's access key");
        Some(Kind::Bucket(Box::new(Bucket {
            name,
            endpoint: endpoint?,
            region: region?,
            key_id: key_id?,
            key: key?,
        })))
    }

    /// The place in words, for capabilities and checks.
    #[must_use]
    pub fn in_words(&self) -> &'static str {
        match self.fallback {
            Some(_) => {
                "the bucket of LEVQOR_STORAGE_S3_BUCKET, and while that fails the folder of LEVQOR_STORAGE_DIR"
            }
            None => self.first.in_words(),
        }
    }

    /// Whether it exists. A bucket always counts as existing.
    fn is_there(&self) -> bool {
        iter::once(&self.first).chain(&self.fallback).all(|kind| match kind {
            Kind::Folder(Folder(path)) => path.is_dir(),
            Kind::Bucket(_) => true,
        })
    }

    /// The check of `levqor doctor` with this name: writes a file into the storage of a service, reads it and removes it.
    #[must_use]
    pub fn check(place: Option<Self>, name: &'static str, service: &'static str) -> Check {
        let Some(place) = place else {
            let why = "neither LEVQOR_STORAGE_DIR nor LEVQOR_STORAGE_S3_BUCKET is set";
            let how = "set LEVQOR_STORAGE_DIR to a folder for files, or set LEVQOR_STORAGE_S3_BUCKET";
            return Check::known(name, Finding::off(why, how));
        };
        Check::new(name, "a file that is written, read and removed", async move {
            // The doctor creates nothing.
            if !place.is_there() {
                let how = format!("start {service}, which makes it");
                return Finding::off(format!("{} does not exist yet", place.in_words()), how);
            }
            let tried = async { Storage::open(&place)?.probe().await };
            match tried.await {
                Ok(()) => Finding::on(format!("{} takes files and gives them back", place.in_words())),
                Err(error) => Finding::failed(format!("{}: {}", place.in_words(), in_words(&error))),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Env;

    #[test]
    fn a_folder_or_a_bucket_needs_all_its_settings() {
        let key = ("LEVQOR_STORAGE_S3_SECRET_ACCESS_KEY", "secret");
        let id = ("LEVQOR_STORAGE_S3_ACCESS_KEY_ID", "id");
        let bucket = ("LEVQOR_STORAGE_S3_BUCKET", "files");
        let folder = ("LEVQOR_STORAGE_DIR", "/var/lib/levqor/files");
        let plain = ("LEVQOR_STORAGE_S3_ENDPOINT", "http://s3.example.com");
        for (settings, wrong) in [
            (vec![], vec![]),
            (vec![folder], vec![]),
            (vec![("LEVQOR_STORAGE_DIR", "files")], vec!["LEVQOR_STORAGE_DIR"]),
            (vec![bucket, id, key], vec![]),
            (vec![bucket], vec![id.0, key.0]),
            (vec![bucket, id, key, plain], vec![plain.0]),
            (vec![bucket, folder, id, key], vec![]),
            (vec![bucket, folder], vec![id.0, key.0]),
        ] {
            let env = Env::from_pairs(settings.clone());
            let mut reader = Reader::new(&env);
            let place = Place::read(&mut reader);
            let is_one = !settings.is_empty() && wrong.is_empty();
            assert_eq!(place.is_some(), is_one, "{settings:?}");
            let has_both = is_one && settings.contains(&bucket) && settings.contains(&folder);
            assert_eq!(place.is_some_and(|place| place.fallback.is_some()), has_both, "{settings:?}");
            let problems = reader.finish(Some(())).err().map(|problems| problems.0).unwrap_or_default();
            let named: Vec<_> = problems.into_iter().map(|problem| problem.setting).collect();
            assert_eq!(named, wrong, "{settings:?}");
        }
    }
}
