//! The service under test, and helpers for the tests.

mod peer;

use std::ops::Deref;

use chrono::TimeDelta;
use futures_util::StreamExt;
use levqor_compliance::Compliance;
use levqor_proto_base::google::api::HttpBody;
use levqor_proto_compliance::v1::{
    Breach, BreachFacts, ConfirmDataRequestRequest, CreateBreachRequest, CreateDataRequestRequest,
    CreateMailedDataRequestRequest, CreatePrivacyComplaintRequest, DataRequest, GetDataRequestRequest,
    PrivacyComplaint, Right, breach_service_client::BreachServiceClient, data_request::State,
    data_request_service_client::DataRequestServiceClient,
    privacy_complaint_service_client::PrivacyComplaintServiceClient,
};
use levqor_proto_mail::v1::{SendMessageRequest, send_message_request::Content};
use levqor_runtime::{
    client::Peer,
    db::Tx,
    run,
    testing::{Caller, TestService, config, connect, database, eventually},
};
use prost::Message;
use tonic::{Status, Streaming};

pub(crate) use self::peer::FakePeer;

/// The id of something that does not exist.
pub(crate) const NOBODYS: &str = "0190b2c4-0000-7000-8000-000000000000";
/// The pattern of the statement that locks one data request.
pub(crate) const LOCKING: &str = "SELECT data_request_id, owner_sub, email%FOR UPDATE";
const STORAGE_KEY: &str = "AGE-SECRET-KEY-1QQQSYQCYQ5RQWZQFPG9SCRGWPUGPZYSNZS23V9CCRYDPK8QARC0SWRYDWG";

/// Nothing listens on port 1.
const BILLING: (&str, &str) = ("LEVQOR_BILLING_ADDR", "127.0.0.1:1");
const ADDRESS_KEY: &str = "the address key of tests, long enough to be one";

/// The running service, and the folder of its storage, if it has one.
pub(crate) struct Bench {
    pub(crate) service: TestService<Compliance>,
    folder: String,
}

impl Deref for Bench {
    type Target = TestService<Compliance>;

    fn deref(&self) -> &Self::Target {
        &self.service
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        if !self.folder.is_empty() {
            drop(std::fs::remove_dir_all(&self.folder));
        }
    }
}

/// The name of a new folder.
fn folder() -> String {
    let name = format!("levqor-compliance-{}", levqor_runtime::id::request_id());
    std::env::temp_dir().join(name).to_string_lossy().into_owned()
}

/// The settings of a bucket.
fn bucket(endpoint: &str) -> [(&'static str, &str); 5] {
    [
        ("LEVQOR_STORAGE_S3_BUCKET", "files"),
        ("LEVQOR_STORAGE_S3_ENDPOINT", endpoint),
        ("LEVQOR_STORAGE_S3_REGION", "us-east-1"),
        ("LEVQOR_STORAGE_S3_ACCESS_KEY_ID", "id"),
        ("LEVQOR_STORAGE_S3_SECRET_ACCESS_KEY", "key"),
    ]
}

/// Ada, a customer.
pub(crate) fn ada() -> Caller {
    Caller::customer("ada", "ada@example.com")
}

/// Bob, another one.
pub(crate) fn bob() -> Caller {
    Caller::customer("bob", "bob@example.com")
}

impl Bench {
    /// With a folder as storage, and without any other service.
    pub(crate) async fn start() -> Self {
        let folder = folder();
        let storage = [("LEVQOR_STORAGE_DIR", folder.as_str())];
        Self::start_with(&storage, folder.clone()).await
    }

    /// With the bucket `files` of this S3 server as storage.
    pub(crate) async fn start_with_bucket(endpoint: &str) -> Self {
        Self::start_with(&bucket(endpoint), String::new()).await
    }

    /// With a bucket whose server does not run, and a folder as its fallback.
    pub(crate) async fn start_without_its_bucket() -> Self {
        let folder = folder();
        let storage = [("LEVQOR_STORAGE_DIR", folder.as_str())];
        // Nothing listens on port 1.
        let bucket = bucket("http://127.0.0.1:1");
        Self::start_with(&[&bucket[..], &storage].concat(), folder.clone()).await
    }

    /// With the Google Drive of these settings, and a folder behind it.
    pub(crate) async fn start_with_drive(drive: [(&str, &str); 4]) -> Self {
        let folder = folder();
        let storage = [("LEVQOR_STORAGE_DIR", folder.as_str())];
        Self::start_with(&[&drive[..], &storage].concat(), folder.clone()).await
    }

    /// With support at this address and, if wanted, with billing at an address where no server runs.
    pub(crate) async fn start_with_peers(support: &FakePeer, with_billing: bool) -> Self {
        let folder = folder();
        let settings = [
            ("LEVQOR_STORAGE_DIR", folder.as_str()),
            ("LEVQOR_SUPPORT_ADDR", support.address.as_str()),
            BILLING,
        ];
        let peers: &[&str] = if with_billing { &["support", "billing"] } else { &["support"] };
        Self::start_asking(&settings, folder.clone(), peers).await
    }

    async fn start_with(settings: &[(&str, &str)], folder: String) -> Self {
        Self::start_asking(settings, folder, &[]).await
    }

    /// With these settings, in a mesh with these other services.
    async fn start_asking(settings: &[(&str, &str)], folder: String, peers: &[&str]) -> Self {
        let url = database::<Compliance>().await;
        let keys = [("LEVQOR_STORAGE_KEY", STORAGE_KEY), ("LEVQOR_ADDRESS_KEY", ADDRESS_KEY)];
        let mut config = config::<Compliance>(&url, &[settings, &keys].concat());
        config.addresses.0.retain(|service, _| peers.contains(&service.as_str()));
        let running = run::start(config).await.expect("the service starts");
        running.ready().await;
        Self { service: TestService { running, db: connect(&url), url }, folder }
    }

    pub(crate) fn client(&self) -> DataRequestServiceClient<Peer> {
        DataRequestServiceClient::new(self.channel())
    }

    pub(crate) fn breaches(&self) -> BreachServiceClient<Peer> {
        BreachServiceClient::new(self.channel())
    }

    pub(crate) fn complaints(&self) -> PrivacyComplaintServiceClient<Peer> {
        PrivacyComplaintServiceClient::new(self.channel())
    }

    /// A breach that staff record.
    pub(crate) async fn breach(&self) -> Breach {
        let request = CreateBreachRequest { facts: Some(facts()), aware_time: None };
        let caller = Caller::staff().with_key(&levqor_runtime::id::request_id());
        let created = self.breaches().create_breach(caller.request(request)).await.expect("created");
        created.into_inner().breach.expect("a breach")
    }

    /// A complaint of this person.
    pub(crate) async fn complain(&self, caller: &Caller) -> Result<PrivacyComplaint, Status> {
        let text = "You sent my details to somebody else.".to_owned();
        let request = CreatePrivacyComplaintRequest { text, name: "A Person".to_owned() };
        let created = self.complaints().create_privacy_complaint(caller.request(request)).await?;
        Ok(created.into_inner().privacy_complaint.expect("a complaint"))
    }

    /// How many notices to operators have a key that fits, or how many ends of notices.
    pub(crate) async fn told(&self, rpc: &str, key: &str) -> i64 {
        self.count(&format!("runtime.work WHERE rpc LIKE '%/{rpc}' AND idempotency_key LIKE '{key}'")).await
    }

    /// Creates a request of this person.
    pub(crate) async fn create(&self, caller: &Caller, right: Right) -> Result<DataRequest, Status> {
        let request = CreateDataRequestRequest { right: right.into(), ..Default::default() };
        let created = self.client().create_data_request(caller.request(request)).await?;
        Ok(created.into_inner().data_request.expect("a data request"))
    }

    /// Creates a request for an address. Returns its id.
    pub(crate) async fn create_mailed(&self, email: &str, right: Right) -> String {
        let request = CreateMailedDataRequestRequest {
            email: email.to_owned(),
            right: right.into(),
            ..Default::default()
        };
        let created = self.client().create_mailed_data_request(Caller::anonymous().request(request)).await;
        created.expect("created").into_inner().data_request_id
    }

    pub(crate) async fn confirm(&self, id: &str, code: &str) -> Result<DataRequest, Status> {
        let request = ConfirmDataRequestRequest { data_request_id: id.to_owned(), code: code.to_owned() };
        let confirmed = self.client().confirm_data_request(Caller::anonymous().request(request)).await?;
        Ok(confirmed.into_inner().data_request.expect("a data request"))
    }

    pub(crate) async fn get(&self, caller: &Caller, id: &str) -> Result<DataRequest, Status> {
        let request = GetDataRequestRequest { data_request_id: id.to_owned() };
        let found = self.client().get_data_request(caller.request(request)).await?;
        Ok(found.into_inner().data_request.expect("a data request"))
    }

    /// Waits until a request is in this state.
    pub(crate) async fn until(&self, id: &str, state: State) -> DataRequest {
        eventually("the data request is in its state", || async {
            let found = self.get(&Caller::staff(), id).await.ok()?;
            (found.state() == state).then_some(found)
        })
        .await
    }

    /// The mails to this address, oldest first. They wait, because no notifications service runs.
    pub(crate) async fn mails(&self, email: &str) -> Vec<Content> {
        let rows: Vec<Vec<u8>> = sqlx::query_scalar(
            "SELECT request FROM runtime.work WHERE rpc LIKE '%/SendMessage' ORDER BY create_time, work_id",
        )
        .fetch_all(self.db.pool())
        .await
        .expect("rows");
        let mails = rows.iter().map(|row| SendMessageRequest::decode(row.as_slice()).expect("a mail"));
        mails.filter(|mail| mail.recipient == email).filter_map(|mail| mail.content).collect()
    }

    /// The last code that went to this address.
    pub(crate) async fn code(&self, email: &str) -> String {
        let mails = self.mails(email).await;
        let code = mails.into_iter().rev().find_map(|content| match content {
            Content::DataRequestCode(code) => Some(code.code),
            _ => None,
        });
        code.expect("a code was sent")
    }

    /// The token in the last link that went to this address.
    pub(crate) async fn link_token(&self, email: &str) -> String {
        let mails = self.mails(email).await;
        let link = mails.into_iter().rev().find_map(|content| match content {
            Content::DataRequestLink(link) => Some(link.export_link),
            _ => None,
        });
        link.expect("a link was sent").rsplit('/').next().expect("a token").to_owned()
    }

    /// The files of the storage, without the ledger of erasures.
    pub(crate) fn files(&self) -> Vec<String> {
        let exports = std::path::Path::new(&self.folder).join("exports");
        let within = |folder: std::path::PathBuf| std::fs::read_dir(folder).into_iter().flatten().flatten();
        let files = within(exports).flat_map(|request| within(request.path()));
        files.map(|entry| entry.path().to_string_lossy().into_owned()).collect()
    }

    /// The folder of the ledger of erasures.
    pub(crate) fn ledger_folder(&self) -> std::path::PathBuf {
        std::path::Path::new(&self.folder).join("ledger")
    }

    /// The entries of the ledger of erasures in the folder.
    pub(crate) fn recorded_erasures(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.ledger_folder());
        let entries = entries.into_iter().flatten().flatten();
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
    }

    /// Takes the locks of this statement, until the transaction ends.
    pub(crate) async fn held(&self, sql: &'static str) -> Tx {
        let mut held = self.db.begin().await.expect("a transaction");
        sqlx::query(sql).execute(&mut *held).await.expect("locked");
        held
    }

    /// Waits until so many statements of the service that fit this pattern wait for a lock.
    pub(crate) async fn until_waiting(&self, statement: &str, count: i64) {
        let waiting = format!(
            "pg_stat_activity WHERE datname = current_database() AND application_name = 'levqor-compliance'
             AND wait_event_type = 'Lock' AND query LIKE '{statement}'"
        );
        eventually("statements wait for a lock", || async {
            (self.count(&waiting).await >= count).then_some(())
        })
        .await;
    }

    /// Moves the time and sweeps.
    pub(crate) async fn pass(&self, days: i64) {
        self.advance(TimeDelta::days(days)).await;
    }
}

/// The known facts of a breach.
pub(crate) fn facts() -> BreachFacts {
    BreachFacts {
        description: "A mail with a list of customers went to the wrong address.".to_owned(),
        data_kinds: vec!["names".to_owned(), "mail addresses".to_owned()],
        people_count: 40,
        consequences: "The recipient may write to them.".to_owned(),
        measures: "The recipient deleted the mail.".to_owned(),
    }
}

/// The bytes of a download.
pub(crate) async fn bytes(download: Streaming<HttpBody>) -> Result<Vec<u8>, Status> {
    let parts: Vec<_> = download.collect().await;
    let mut bytes = Vec::new();
    for part in parts {
        bytes.extend(part?.data);
    }
    Ok(bytes)
}
