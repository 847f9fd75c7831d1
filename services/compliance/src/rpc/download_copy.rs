//! `DownloadCopy`: the form for the code of a copy. `DownloadLinkedDataExport` does the work.

use std::sync::Arc;

use futures_util::{
    StreamExt,
    stream::{self, BoxStream},
};
use levqor_proto_base::google::api::HttpBody;
use levqor_proto_compliance::v1::{DownloadCopyRequest, DownloadLinkedDataExportRequest};
use levqor_runtime::context::Ctx;

use super::{download_linked_data_export::download_linked_data_export, get_copy_page::token};
use crate::{Compliance, error::Error, forms::Form, pages::Mistake};

pub(super) async fn download_copy(
    compliance: Arc<Compliance>,
    ctx: Ctx,
    request: DownloadCopyRequest,
) -> Result<BoxStream<'static, Result<HttpBody, Error>>, Error> {
    let token = token(&request.link_token)?;
    let form = Form::read(request.form.as_ref())?;
    let asked = DownloadLinkedDataExportRequest {
        link_token: request.link_token,
        code: form.text("code").to_owned(),
    };
    match Box::pin(download_linked_data_export(Arc::clone(&compliance), ctx, asked)).await {
        Ok(copy) => Ok(copy),
        Err(error) => {
            let page = compliance.pages.download(&token, Some(Mistake::of_code(error)?))?;
            Ok(stream::iter([Ok(page)]).boxed())
        }
    }
}
