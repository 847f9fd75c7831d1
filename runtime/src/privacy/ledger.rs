//! The ledger of erasures: one object of the storage for each, written before the erasure is acknowledged. It outlives the databases
//! and their backups. It has no personal data, only keyed hashes of identifiers.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures_util::{StreamExt, TryStreamExt, stream};
use ring::hmac;
use serde::{Deserialize, Serialize};
use sqlx::{AssertSqlSafe, PgConnection};
use uuid::Uuid;

use super::{
    Subject,
    catalogue::{Catalogue, quoted},
    declaration::{Link, VENDOR_LINK},
};
use crate::{
    db::DbError,
    service_error,
    storage::{Storage, StorageError},
};

service_error! {
    /// The ledger cannot be read or written.
    #[derive(Debug, thiserror::Error)]
    pub enum LedgerError {
        /// The storage fails.
        #[error(transparent)]
        Storage(#[from] StorageError) => source,
        /// An entry cannot be parsed.
        #[error("an entry of the ledger of erasures cannot be read")]
        Entry(#[source] serde_json::Error) => Internal "INTERNAL",
        /// An entry was made with another key. With this key, no person would be found.
        #[error("the ledger of erasures was written with another key")]
        OtherKey => FailedPrecondition "LEDGER_KEY_CHANGED",
        /// Recorded erasures are not in the ledger: the storage is not set, is another one, or was restored itself.
        #[error("recorded erasures are missing in the ledger")]
        Missing => FailedPrecondition "LEDGER_INCOMPLETE",
        /// The database of the service that keeps it.
        #[error(transparent)]
        Database(#[from] DbError) => source,
    }
}

/// The values of one page.
const PAGE: i64 = 5_000;

/// The key of the ledger's hashes.
#[derive(Clone)]
pub struct LedgerKey(hmac::Key, Vec<u8>);

impl LedgerKey {
    /// The key with these bytes.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, bytes), bytes.to_vec())
    }

    /// The bytes of the key, for another service.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.1
    }

    /// The keyed hashes of everything that identifies a subject.
    #[must_use]
    pub fn hashes(&self, subject: &Subject) -> Vec<String> {
        let of = |kind: &'static str, values: &BTreeSet<String>| -> Vec<String> {
            values.iter().map(|value| self.hash(kind, value)).collect()
        };
        [of(SUB, &subject.subs), of(EMAIL, &subject.emails), of(VENDOR_LINK, &subject.vendor_ids)].concat()
    }

    /// A hash that identifies this key.
    fn check(&self) -> String {
        self.hash(KEY, "")
    }

    fn hash(&self, kind: &str, value: &str) -> String {
        hex::encode(hmac::sign(&self.0, format!("{kind}:{value}").as_bytes()))
    }
}

const SUB: &str = "sub";
const EMAIL: &str = "email";
const KEY: &str = "key";

/// An erasure in the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// Its id.
    pub id: Uuid,
    /// The keyed hashes of the identifiers of its subject.
    pub hashes: Vec<String>,
    /// When it was recorded.
    pub record_time: DateTime<Utc>,
}

/// The erasures in all services, by their progress. The service that keeps the ledger carries them out.
#[derive(Debug, Clone, Default)]
pub struct Erasures {
    /// Other services may still have rows of the person, and a legal hold can still stop it. The ledger may have it.
    pub running: BTreeSet<Uuid>,
    /// Only the service itself may still have rows of the person. The ledger has it.
    pub ending: BTreeSet<Uuid>,
    /// No service has rows of the person. The ledger has it.
    pub complete: BTreeSet<Uuid>,
}

/// The ledger, for the service that keeps it.
pub struct Ledger {
    storage: Storage,
    /// The key of its hashes.
    pub key: LedgerKey,
}

/// The entries that are read concurrently.
const AT_ONCE: usize = 8;
/// The folder of the entries.
const FOLDER: &str = "ledger/";

/// An entry, as it is stored.
#[derive(Serialize, Deserialize)]
struct Entry {
    record_time: DateTime<Utc>,
    hashes: Vec<String>,
    /// Identifies the key of the hashes. Entries of version 0.1.0 have none.
    #[serde(default)]
    key_check: Option<String>,
}

impl Ledger {
    /// The ledger in this storage.
    #[must_use]
    pub fn new(storage: Storage, key: LedgerKey) -> Self {
        Self { storage, key }
    }

    /// Writes the entry of an erasure. A second call replaces it.
    pub async fn write(&self, id: Uuid, subject: &Subject, now: DateTime<Utc>) -> Result<(), LedgerError> {
        let entry =
            Entry { record_time: now, hashes: self.key.hashes(subject), key_check: Some(self.key.check()) };
        let text = serde_json::to_vec(&entry).map_err(LedgerError::Entry)?;
        let mut writer = self.storage.write(&path(id)).await?;
        writer.write(Bytes::from(text)).await?;
        writer.finish().await?;
        Ok(())
    }

    /// The ids of all entries, in their order.
    pub async fn ids(&self) -> Result<BTreeSet<Uuid>, LedgerError> {
        let keys = self.storage.keys(FOLDER).await?;
        let id = |key: &String| Uuid::parse_str(key.strip_prefix(FOLDER)?.strip_suffix(".json")?).ok();
        Ok(keys.iter().filter_map(id).collect())
    }

    /// Reads entries. Fails if one was made with another key.
    pub async fn read(&self, ids: &[Uuid]) -> Result<Vec<Recorded>, LedgerError> {
        stream::iter(ids.to_vec()).map(|id| self.read_one(id)).buffered(AT_ONCE).try_collect().await
    }

    async fn read_one(&self, id: Uuid) -> Result<Recorded, LedgerError> {
        let pieces: Vec<Bytes> = self.storage.read(&path(id)).await?.try_collect().await?;
        let entry: Entry = serde_json::from_slice(&pieces.concat()).map_err(LedgerError::Entry)?;
        if entry.key_check.is_some_and(|check| check != self.key.check()) {
            return Err(LedgerError::OtherKey);
        }
        Ok(Recorded { id, hashes: entry.hashes, record_time: entry.record_time })
    }
}

fn path(id: Uuid) -> String {
    format!("{FOLDER}{id}.json")
}

/// Finds the subjects of erasures among all identifiers in this database.
pub(crate) async fn subjects(
    conn: &mut PgConnection,
    catalogue: &Catalogue,
    key: &LedgerKey,
    erasures: &[Recorded],
) -> Result<BTreeMap<Uuid, Subject>, DbError> {
    let mut wanted: BTreeMap<&str, Vec<Uuid>> = BTreeMap::new();
    for erasure in erasures {
        for hash in &erasure.hashes {
            wanted.entry(hash).or_default().push(erasure.id);
        }
    }
    let mut found: BTreeMap<Uuid, Subject> = BTreeMap::new();
    for table in &catalogue.tables {
        for link in &table.declared.links {
            let (kind, column) = match link {
                Link::Sub(column) => (SUB, column),
                Link::Email(column) | Link::Account(column) => (EMAIL, column),
                Link::Vendor(column) => (VENDOR_LINK, column),
                Link::Hash(_) | Link::Caller(_) | Link::Text(_) | Link::Of { .. } => continue,
            };
            let column = quoted(column);
            let sql = format!(
                "SELECT DISTINCT {column}::text FROM {} WHERE {column}::text > $1 ORDER BY 1 LIMIT $2",
                table.sql()
            );
            let mut after = String::new();
            loop {
                let query = sqlx::query_scalar(AssertSqlSafe(sql.clone())).bind(&after).bind(PAGE);
                let values: Vec<String> = query.fetch_all(&mut *conn).await?;
                let Some(last) = values.last().cloned() else { break };
                for value in values {
                    for id in wanted.get(key.hash(kind, &value).as_str()).into_iter().flatten() {
                        let subject = found.entry(*id).or_default();
                        match kind {
                            SUB => subject.subs.insert(value.clone()),
                            EMAIL => subject.emails.insert(value.clone()),
                            _ => subject.vendor_ids.insert(value.clone()),
                        };
                    }
                }
                after = last;
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::{Env, Reader},
        storage::Place,
    };

    #[test]
    fn a_hash_depends_on_the_kind_of_the_identifier() {
        let key = LedgerKey::new(b"a key");
        let one = |subs: &[&str], emails: &[&str]| Subject {
            subs: subs.iter().map(|it| (*it).to_owned()).collect(),
            emails: emails.iter().map(|it| (*it).to_owned()).collect(),
            ..Subject::default()
        };
        let sub = key.hashes(&one(&["ada@example.com"], &[]));
        let email = key.hashes(&one(&[], &["ada@example.com"]));
        assert!(sub.len() == 1 && email.len() == 1 && sub != email);
        assert_eq!(sub, LedgerKey::new(b"a key").hashes(&one(&["ada@example.com"], &[])));
        assert_ne!(sub, LedgerKey::new(b"another").hashes(&one(&["ada@example.com"], &[])));
    }

    #[tokio::test]
    async fn an_entry_of_another_key_is_refused_and_one_without_a_check_is_read() {
        let folder = std::env::temp_dir().join(format!("levqor-ledger-{}", crate::id::request_id()));
        let env = Env::from_pairs([("LEVQOR_STORAGE_DIR", folder.to_string_lossy())]);
        let place = Place::read(&mut Reader::new(&env)).expect("a folder");
        let storage = Storage::open(&place).expect("opened");
        let ledger = |key: &[u8]| Ledger::new(storage.clone(), LedgerKey::new(key));
        let (ours, others) = (ledger(b"a key"), ledger(b"another"));
        let (id, now) = (Uuid::from_u128(1), DateTime::UNIX_EPOCH);
        ours.write(id, &Subject::default(), now).await.expect("written");
        ours.read(&[id]).await.expect("its own");
        let refused = others.read(&[id]).await;
        assert!(matches!(refused, Err(LedgerError::OtherKey)), "{refused:?}");
        // The form of version 0.1.0.
        let old = r#"{"record_time":"1970-01-01T00:00:00Z","hashes":["00"]}"#;
        std::fs::write(folder.join(path(id)), old).expect("written");
        let read = others.read(&[id]).await.expect("read");
        assert_eq!(read, [Recorded { id, hashes: vec!["00".to_owned()], record_time: now }]);
        std::fs::remove_dir_all(folder).expect("tidy");
    }
}
