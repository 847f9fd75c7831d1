//! Lists the reports of the runs of the retention periods, newest first, for staff.

use levqor_proto_compliance::v1::{ListRetentionReportsRequest, ListRetentionReportsResponse};
use levqor_runtime::{
    context::Ctx,
    error::{Invalid, Violations},
    rpc::list,
};

use crate::{
    Compliance,
    error::Error,
    store::retention_reports::{self, Filter},
};

pub(super) async fn list_retention_reports(
    compliance: &Compliance,
    ctx: Ctx,
    request: ListRetentionReportsRequest,
) -> Result<ListRetentionReportsResponse, Error> {
    list(compliance, &ctx, &request, retention_reports::list, |found, next_page_token| {
        ListRetentionReportsResponse {
            retention_reports: found.into_iter().map(Into::into).collect(),
            next_page_token,
        }
    })
    .await
}

impl TryFrom<&ListRetentionReportsRequest> for Filter {
    type Error = Invalid;

    fn try_from(request: &ListRetentionReportsRequest) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let state = violations.filter_enum("state", request.state);
        violations.finish(Some(Self { state }))
    }
}
