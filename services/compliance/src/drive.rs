//! Google Drive: its settings, and how opendal's client reaches it.

use std::{str::FromStr, sync::Arc, time::Duration};

use http::{
    HeaderValue, Method, Request, Response, StatusCode, Uri,
    header::{CONTENT_LENGTH, CONTENT_TYPE},
};
use levqor_runtime::{
    client::{ApiBase, vendor_client},
    config::{Reader, Setting},
    recipient::Recipient,
    storage::{Place, StorageError, Store, required_secret},
};
use opendal::{
    Buffer, Error, ErrorKind, HttpBody, HttpTransport, HttpTransporter, OperationContext, Operator,
    raw::ServiceOperation, services::Gdrive,
};
use opendal_http_transport_reqwest::ReqwestTransport;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::{ExposeSecret, SecretString};

const CLIENT_ID: Setting = Setting::plain(
    "LEVQOR_STORAGE_DRIVE_CLIENT_ID",
    None,
    "Id of a Google OAuth client: copies of personal data go to Google Drive first. A bucket or a folder is required too: copies go there while Drive fails, or if they are larger than 32 MiB. The ledger of erasures and the files of customers never go to Drive.",
);
const CLIENT_SECRET: Setting = Setting::secret(
    "LEVQOR_STORAGE_DRIVE_CLIENT_SECRET",
    "The secret of the OAuth client; required with its id.",
);
const REFRESH_TOKEN: Setting = Setting::secret(
    "LEVQOR_STORAGE_DRIVE_REFRESH_TOKEN",
    "The refresh token of the Google account that keeps the copies, for this client; required with its id. The scope `https://www.googleapis.com/auth/drive.file` is enough for the top of the Drive.",
);
const ROOT: Setting = Setting::plain(
    "LEVQOR_STORAGE_DRIVE_ROOT",
    Some("/"),
    "The folder of the copies in Drive, by its path, such as /levqor. It must be there, and the token must be allowed to see it.",
);
const API_BASE: Setting = Setting::plain(
    "LEVQOR_STORAGE_DRIVE_API_BASE",
    Some("https://www.googleapis.com"),
    "Base URL of the API of Google Drive. With another one than Google's, tokens are asked for there too.",
);

/// The host that opendal's client takes for the API.
const API_HOST: &str = "www.googleapis.com";
/// The host that it takes for tokens.
const TOKEN_HOST: &str = "oauth2.googleapis.com";
/// How long one request may take. The largest sends 32 MiB.
const TIMEOUT: Duration = Duration::from_mins(1);

/// Google Drive, and how it is reached.
#[derive(Debug, Clone)]
pub(crate) struct Drive {
    client_id: String,
    client_secret: SecretString,
    refresh_token: SecretString,
    root: Root,
    api: ApiBase,
}

/// The path of a folder in Drive.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Root(String);

/// The text is not the path of a folder in Drive.
#[derive(Debug, thiserror::Error)]
#[error("not the path of a folder in Drive")]
struct NotARoot;

impl FromStr for Root {
    type Err = NotARoot;

    fn from_str(text: &str) -> Result<Self, NotARoot> {
        // opendal does not escape a backslash in its query for a name.
        if text.starts_with('/') && !text.contains('\\') { Ok(Self(text.to_owned())) } else { Err(NotARoot) }
    }
}

impl Drive {
    /// Google Drive, in words.
    pub(crate) const WORDS: &str = "Google Drive";

    /// The settings that name it.
    #[must_use]
    pub(crate) fn settings() -> Vec<Setting> {
        vec![CLIENT_ID, CLIENT_SECRET, REFRESH_TOKEN, ROOT, API_BASE]
    }

    /// Reads the settings. `None` if neither the client nor the token is set, or if something is wrong, which is then noted.
    pub(crate) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let root = reader.defaulted(&ROOT, "the path of a folder in Drive that begins with a slash");
        let api = reader.defaulted(&API_BASE, ApiBase::EXPECTED);
        if ![CLIENT_ID, CLIENT_SECRET, REFRESH_TOKEN].iter().any(|setting| reader.is_set(setting)) {
            return None;
        }
        let client_id = reader.required(&CLIENT_ID, "the id of a Google OAuth client");
        let client_secret = required_secret(reader, &CLIENT_SECRET, "the secret of the OAuth client");
        let refresh_token = required_secret(reader, &REFRESH_TOKEN, "a refresh token for the OAuth client");
        if !Place::is_set(reader) {
            let needs =
                "needs a storage behind Google Drive: set LEVQOR_STORAGE_DIR or LEVQOR_STORAGE_S3_BUCKET";
            reader.problem(&CLIENT_ID, needs);
            return None;
        }
        Some(Self {
            client_id: client_id?,
            client_secret: client_secret?,
            refresh_token: refresh_token?,
            root: root?,
            api: api?,
        })
    }

    /// The name under which a database keeps that a file is here. Another client, or another folder, does not find it.
    fn name(&self) -> String {
        format!("google-drive:{}:{}", self.client_id, self.root.0)
    }

    /// Writes a small file, reads it, and removes it: evidence that Drive works.
    pub(crate) async fn probe(&self) -> Result<(), StorageError> {
        Arc::new(self.store()?).probe().await
    }

    /// Opens it.
    pub(crate) fn store(&self) -> Result<Store, StorageError> {
        Ok(Store::flat(self.operator()?, Self::WORDS, self.name()))
    }

    /// Google, which is on if Drive is set. `purpose` names the kind of files there.
    pub(crate) fn recipient(drive: Option<&Self>, purpose: &'static str) -> Recipient {
        const CATEGORIES: &[&str] = &["EMAIL", "NAME", "MESSAGE"];
        let google = Recipient::new("Google (Drive)", purpose, CATEGORIES, "LEVQOR_STORAGE_DRIVE_CLIENT_ID");
        google.at(drive.map(|drive| drive.api.host()))
    }

    /// The operator. It retries no request: a retried upload whose answer was lost would be a second file of the same name, of which a
    /// removal finds only one.
    fn operator(&self) -> Result<Operator, StorageError> {
        let client = vendor_client(&self.api, TIMEOUT, true).map_err(StorageError::Client)?;
        let transport = Transport { inner: ReqwestTransport::from(client), api: self.api.clone() };
        // opendal puts them into a query as they are.
        let escaped = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let service = Gdrive::default()
            .root(&self.root.0)
            .client_id(&escaped(&self.client_id))
            .client_secret(&escaped(self.client_secret.expose_secret()))
            .refresh_token(&escaped(self.refresh_token.expose_secret()));
        let context = OperationContext::new().with_http_transport(HttpTransporter::new(transport));
        Ok(Operator::new(service)?.with_context(context))
    }
}

/// Carries the requests of opendal's client. It requests tokens with the secrets in the body and not in the URL, which errors name;
/// it permanently deletes files that the client would move to the trash for 30 days; it uploads under the type that Google documents; and
/// it makes no folder.
struct Transport {
    inner: ReqwestTransport,
    api: ApiBase,
}

impl Transport {
    /// Where a request goes.
    fn target(&self, uri: &Uri) -> opendal::Result<Uri> {
        let host = uri.host().unwrap_or_default();
        let is_token = host == TOKEN_HOST;
        let base =
            if self.api.host() == API_HOST { format!("https://{host}/") } else { self.api.to_string() };
        let query = uri.query().filter(|_| !is_token).map(|query| format!("?{query}")).unwrap_or_default();
        let target = format!("{base}{}{query}", uri.path().trim_start_matches('/'));
        target.parse().map_err(|_| Error::new(ErrorKind::Unexpected, "the URL of Drive is not valid"))
    }
}

/// The type that Google documents for an upload of a description and a content, if this is the type that opendal's client gives it.
fn documented_type(given: &HeaderValue) -> Option<HeaderValue> {
    let parameters = given.to_str().ok()?.strip_prefix("multipart/form-data;")?;
    HeaderValue::try_from(format!("multipart/related;{parameters}")).ok()
}

impl HttpTransport for Transport {
    async fn fetch(&self, request: Request<Buffer>) -> opendal::Result<Response<HttpBody>> {
        let (mut parts, mut body) = request.into_parts();
        let is_trashing = match parts.extensions.get::<ServiceOperation>() {
            // Two processes that make one folder at once make two of the same name, and each file is then in only one of them.
            Some(ServiceOperation("CreateFolder")) => {
                let missing = "the folder of LEVQOR_STORAGE_DRIVE_ROOT is not there";
                return Err(Error::new(ErrorKind::NotFound, missing));
            }
            operation => operation == Some(&ServiceOperation("TrashFile")),
        };
        if is_trashing {
            parts.method = Method::DELETE;
            body = Buffer::new();
        }
        let documented = parts.headers.get(CONTENT_TYPE).and_then(documented_type);
        if let Some(documented) = documented {
            parts.headers.insert(CONTENT_TYPE, documented);
        }
        let uri = self.target(&parts.uri)?;
        if parts.uri.host() == Some(TOKEN_HOST) {
            body = Buffer::from(parts.uri.query().unwrap_or_default().to_owned());
            parts.headers.remove(CONTENT_LENGTH);
            let form = HeaderValue::from_static("application/x-www-form-urlencoded");
            parts.headers.insert(CONTENT_TYPE, form);
        }
        parts.uri = uri;
        let mut response = self.inner.fetch(Request::from_parts(parts, body)).await?;
        if is_trashing && response.status() == StatusCode::NO_CONTENT {
            *response.status_mut() = StatusCode::OK;
        }
        Ok(response)
    }
}

#[cfg(test)]
mod tests {
    use levqor_runtime::{config::Env, testing::drive::FakeDrive};

    use super::*;

    const FOLDER: &str = "LEVQOR_STORAGE_DIR";

    #[tokio::test]
    async fn an_error_shows_no_secret() {
        let drive = FakeDrive::start();
        drive.set_down(true);
        // Nothing listens on port 1.
        for base in [drive.settings()[3].1, "http://127.0.0.1:1"] {
            let [id, secret, token, _] = drive.settings();
            let settings = [id, secret, token, ("LEVQOR_STORAGE_DRIVE_API_BASE", base), (FOLDER, "/tmp")];
            let env = Env::from_pairs(settings);
            let found = Drive::read(&mut Reader::new(&env)).expect("settings");
            let error = found.probe().await.expect_err("it does not work");
            let words = format!("{error:?} {error} {found:?}");
            assert!(words.contains("/token"), "{words}");
            assert!(!words.contains("hush") && !words.contains("1%2F%2Frefresh"), "{words}");
        }
    }

    #[test]
    fn drive_is_named_whole_and_with_a_storage_behind_it() {
        let all = [
            ("LEVQOR_STORAGE_DRIVE_CLIENT_ID", "id"),
            ("LEVQOR_STORAGE_DRIVE_CLIENT_SECRET", "secret"),
            ("LEVQOR_STORAGE_DRIVE_REFRESH_TOKEN", "token"),
        ];
        let (place, root) = ((FOLDER, "/files"), ("LEVQOR_STORAGE_DRIVE_ROOT", "copies"));
        let base = ("LEVQOR_STORAGE_DRIVE_API_BASE", "http://drive.example.com");
        for (settings, wrong) in [
            (vec![], vec![]),
            (vec![place], vec![]),
            (vec![("LEVQOR_STORAGE_DRIVE_ROOT", "/copies")], vec![]),
            (vec![all[0], all[1], all[2], place], vec![]),
            (vec![all[0], place], vec![all[1].0, all[2].0]),
            (vec![all[1], place], vec![all[0].0, all[2].0]),
            (vec![all[0], all[1], all[2]], vec![all[0].0]),
            (vec![all[2], root, base], vec![root.0, base.0, all[0].0, all[1].0, all[0].0]),
        ] {
            let env = Env::from_pairs(settings.clone());
            let mut reader = Reader::new(&env);
            let is_read = Drive::read(&mut reader).is_some();
            let problems = reader.finish(Some(())).err().map(|problems| problems.0).unwrap_or_default();
            let named: Vec<_> = problems.into_iter().map(|problem| problem.setting).collect();
            assert_eq!(named, wrong, "{settings:?}");
            assert_eq!(is_read, wrong.is_empty() && settings.len() == 4, "{settings:?}");
        }
    }
}
