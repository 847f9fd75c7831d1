//! `GetProcessingRecordPage`: the record of processing activities as a page that prints well. `GetProcessingRecord` does the work.

use levqor_proto_base::google::api::HttpBody;
use levqor_proto_compliance::v1::{GetProcessingRecordPageRequest, GetProcessingRecordRequest};
use levqor_runtime::context::Ctx;

use super::get_processing_record::get_processing_record;
use crate::{Compliance, error::Error};

pub(super) async fn get_processing_record_page(
    compliance: &Compliance,
    ctx: Ctx,
    _: GetProcessingRecordPageRequest,
) -> Result<HttpBody, Error> {
    let record = Box::pin(get_processing_record(compliance, ctx, GetProcessingRecordRequest {})).await?;
    compliance.pages.record(&record)
}
