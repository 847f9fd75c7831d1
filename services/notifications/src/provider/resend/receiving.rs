//! Resend's API of received mails, <https://resend.com/docs/api-reference/emails/retrieve-received-email> and
//! <https://resend.com/docs/api-reference/emails/list-received-email-attachments>. An event says only that a mail arrived.

use std::{collections::BTreeMap, time::Duration};

use levqor_runtime::client::{self, ApiBase, vendor_client};
use secrecy::ExposeSecret;
use serde::Deserialize;

use super::{Resend, body_up_to, unanswered_why};
use crate::provider::Trouble;

/// The most bytes of a mail's text, HTML and headers together.
const MOST_BYTES: usize = 8 << 20;
/// The bytes of the mail as it came that are read where Resend found no text.
const MOST_RAW_BYTES: usize = 1 << 20;
/// How long a file may take from the first to the last byte.
const DOWNLOAD: Duration = Duration::from_mins(4);
/// The most files of a list that Resend allows.
const PAGE: u32 = 100;

/// A received mail. Only these fields are read.
#[derive(Deserialize)]
pub(crate) struct ReceivedMail {
    #[serde(default)]
    pub(crate) from: String,
    #[serde(default)]
    pub(crate) to: Vec<String>,
    #[serde(default)]
    pub(crate) cc: Option<Vec<String>>,
    #[serde(default)]
    pub(crate) bcc: Option<Vec<String>>,
    #[serde(default)]
    pub(crate) received_for: Option<Vec<String>>,
    #[serde(default)]
    pub(crate) subject: Option<String>,
    #[serde(default)]
    pub(crate) text: Option<String>,
    #[serde(default)]
    pub(crate) html: Option<String>,
    /// The headers: a value is a text, or a list of texts for a header that occurs several times.
    #[serde(default)]
    pub(crate) headers: Option<BTreeMap<String, serde_json::Value>>,
    #[serde(default)]
    raw: Option<Raw>,
    #[serde(default)]
    attachments: Option<Vec<serde_json::Value>>,
}

impl ReceivedMail {
    /// Whether files came with the mail.
    pub(crate) fn has_attachments(&self) -> bool {
        self.attachments.as_ref().is_some_and(|attachments| !attachments.is_empty())
    }
}

#[derive(Deserialize)]
struct Raw {
    download_url: String,
}

/// A file that came with a mail.
#[derive(Deserialize)]
pub(crate) struct Attachment {
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) filename: Option<String>,
    #[serde(default)]
    pub(crate) content_type: Option<String>,
    #[serde(default)]
    pub(crate) size: Option<i64>,
    #[serde(default)]
    download_url: Option<String>,
}

#[derive(Deserialize)]
struct Attachments {
    data: Vec<Attachment>,
}

/// Why there is no mail, or no file.
pub(crate) enum NotReceived {
    /// Resend does not have it, or it is too large.
    Gone,
    /// Resend does not answer, or its answer is not as documented.
    NotNow(Trouble),
}

/// A client for the files, which take longer than a call of the API.
pub(super) fn download_client(base: &ApiBase) -> Result<reqwest::Client, reqwest::Error> {
    vendor_client(base, DOWNLOAD, false)
}

impl Resend {
    /// Gets one received mail.
    pub(crate) async fn received(&self, mail_id: &str) -> Result<ReceivedMail, NotReceived> {
        // Inline images stay files. Otherwise each of them is a part of the HTML.
        let url = format!("{}/receiving/{mail_id}?html_format=cid", self.url);
        self.asked(url, "/emails/receiving/{id}").await
    }

    /// Lists the files of a received mail.
    pub(crate) async fn attachments(&self, mail_id: &str) -> Result<Vec<Attachment>, NotReceived> {
        let url = format!("{}/receiving/{mail_id}/attachments?limit={PAGE}", self.url);
        let list: Attachments = self.asked(url, "/emails/receiving/{id}/attachments").await?;
        Ok(list.data)
    }

    /// The beginning of a mail as it came. `None` if it cannot be had: it is only a second chance.
    pub(crate) async fn raw(&self, mail: &ReceivedMail) -> Option<Vec<u8>> {
        let response = self.downloaded(&mail.raw.as_ref()?.download_url).await.ok()?;
        let mut response = response;
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.ok()? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() >= MOST_RAW_BYTES {
                break;
            }
        }
        Some(bytes)
    }

    /// Begins to download a file. The links expire, so each download gets a fresh one.
    pub(crate) async fn download(
        &self,
        mail_id: &str,
        attachment_id: &str,
    ) -> Result<(Attachment, reqwest::Response), NotReceived> {
        let mut files = self.attachments(mail_id).await?.into_iter();
        let file = files.find(|file| file.id == attachment_id).ok_or(NotReceived::Gone)?;
        let url = file.download_url.as_deref().ok_or(NotReceived::Gone)?;
        let response = self.downloaded(url).await?;
        Ok((file, response))
    }

    async fn downloaded(&self, url: &str) -> Result<reqwest::Response, NotReceived> {
        // The link is Resend's, and it has no key. It must not lead to this machine or its network.
        if !(url.starts_with("https://") || url.starts_with(&self.base)) {
            return Err(NotReceived::NotNow(Trouble::new("a download link that is not https".to_owned())));
        }
        let response = client::send(self.downloads.get(url), "/attachment").await;
        let response = response.map_err(|error| NotReceived::NotNow(unanswered_why(error.without_url())))?;
        good(response)
    }

    async fn asked<T: for<'de> Deserialize<'de>>(
        &self,
        url: String,
        template: &str,
    ) -> Result<T, NotReceived> {
        let request = self.client.get(url).bearer_auth(self.key.expose_secret());
        let response = client::send(request, template).await;
        let not_now = |error: reqwest::Error| NotReceived::NotNow(unanswered_why(error.without_url()));
        let body = body_up_to(good(response.map_err(not_now)?)?, MOST_BYTES).await.map_err(not_now)?;
        let body = body.ok_or(NotReceived::Gone)?;
        serde_json::from_slice(&body).map_err(|_| {
            NotReceived::NotNow(Trouble::new("200 without an answer that can be read".to_owned()))
        })
    }
}

fn good(response: reqwest::Response) -> Result<reqwest::Response, NotReceived> {
    match response.status().as_u16() {
        404 | 410 => Err(NotReceived::Gone),
        200..=299 => Ok(response),
        status => Err(NotReceived::NotNow(Trouble::new(status.to_string()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_is_read_as_resend_documents_it() {
        let mail: ReceivedMail = serde_json::from_str(
            r#"{"object": "email", "id": "4ef9a417", "to": ["ticket-1@in.levqor.ai"], "from": "Acme <a@b.cd>",
                "created_at": "2023-04-03T22:13:42.674981+00:00", "subject": "Hello", "html": "<p>Hi", "text": null,
                "headers": {"return-path": "a@b.cd", "received": ["x", "y"]}, "bcc": [], "cc": [], "reply_to": [],
                "message_id": "<example+123>",
                "raw": {"download_url": "https://example.com/raw", "expires_at": "2023-04-03T23:13:42.674981+00:00"},
                "attachments": [{"id": "2a0c9ce0", "filename": "avatar.png", "content_type": "image/png",
                                 "content_disposition": "inline", "content_id": "img001"}]}"#,
        )
        .expect("a mail");
        assert!(mail.has_attachments() && mail.text.is_none() && mail.html.is_some());
        let list: Attachments = serde_json::from_str(
            r#"{"object": "list", "has_more": false, "data": [{"id": "2a0c9ce0", "filename": "avatar.png", "size": 4096,
                "content_type": "image/png", "content_disposition": "inline", "content_id": null,
                "download_url": "https://example.com/file", "expires_at": "2025-10-17T14:29:41.521Z"}]}"#,
        )
        .expect("a list");
        assert_eq!(list.data.first().and_then(|file| file.size), Some(4096));
    }
}
