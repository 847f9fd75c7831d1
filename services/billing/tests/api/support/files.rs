//! Files of orders: a folder to store them in, and the calls that bring and fetch them.

use std::path::{Path, PathBuf};

use futures_util::{StreamExt, TryStreamExt, stream};
use levqor_proto_base::google::api::HttpBody;
use levqor_proto_billing::v1::{
    DownloadOrderFileRequest, OrderFile, SweepOrderFilesRequest, UploadOrderFileRequest,
};
use levqor_runtime::{id, testing::Caller};
use tonic::Status;

use super::Bench;

/// Content that is a PDF by its beginning.
pub(crate) const PDF: &[u8] = b"%PDF-1.7\n%a brief";

/// A folder for files. It is removed at the end of the test.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(std::env::temp_dir().join(format!("levqor-order-files-{}", id::request_id())))
    }

    /// The number of contents that are stored.
    pub(crate) fn contents(&self) -> usize {
        contents(&self.0)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

fn contents(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| if entry.path().is_dir() { contents(&entry.path()) } else { 1 }).sum()
}

/// A body with these bytes.
pub(crate) fn body(data: &[u8]) -> HttpBody {
    HttpBody { data: data.to_vec(), ..HttpBody::default() }
}

impl Bench {
    /// Starts billing with a folder for files.
    pub(crate) async fn start_with_files() -> (Self, Folder) {
        let folder = Folder::new();
        let path = folder.0.to_str().expect("a path").to_owned();
        (Self::start_with(&[("LEVQOR_STORAGE_DIR", &path)]).await, folder)
    }

    /// Uploads a file in these pieces.
    pub(crate) async fn upload(
        &self,
        caller: &Caller,
        order_id: &str,
        name: &str,
        pieces: Vec<Vec<u8>>,
    ) -> Result<OrderFile, Status> {
        let (order_id, name) = (order_id.to_owned(), name.to_owned());
        let first = UploadOrderFileRequest { order_id, name, file: Some(HttpBody::default()) };
        let pieces = pieces.into_iter().map(|piece| UploadOrderFileRequest {
            file: Some(HttpBody { data: piece, ..HttpBody::default() }),
            ..UploadOrderFileRequest::default()
        });
        let request = caller.request(stream::iter([first]).chain(stream::iter(pieces)));
        let response = self.order_client().upload_order_file(request).await?;
        Ok(response.into_inner().file.expect("a file"))
    }

    /// Downloads a file: its type and its bytes.
    pub(crate) async fn download(
        &self,
        caller: &Caller,
        order_id: &str,
        file_id: &str,
    ) -> Result<(String, Vec<u8>), Status> {
        let (order_id, file_id) = (order_id.to_owned(), file_id.to_owned());
        let request = caller.request(DownloadOrderFileRequest { order_id, file_id });
        let messages = self.order_client().download_order_file(request).await?.into_inner();
        let messages: Vec<HttpBody> = messages.try_collect().await?;
        let data = messages.iter().flat_map(|message| message.data.clone()).collect();
        Ok((messages[0].content_type.clone(), data))
    }

    pub(crate) async fn sweep(&self) -> i64 {
        let request = Caller::service("billing", "billing").request(SweepOrderFilesRequest {});
        self.order_client().sweep_order_files(request).await.expect("swept").into_inner().removed
    }
}
