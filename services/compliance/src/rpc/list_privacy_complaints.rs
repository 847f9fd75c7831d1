//! Lists complaints about the use of personal data, newest first. Customers see only their own, whatever the filter.

use levqor_proto_compliance::v1::{ListPrivacyComplaintsRequest, ListPrivacyComplaintsResponse};
use levqor_runtime::{
    context::Ctx,
    db::{ListTx, Page},
    error::{Invalid, Violations},
    rpc::list,
};

use crate::{
    Compliance,
    error::Error,
    store::privacy_complaints::{self, Filter},
};

pub(super) async fn list_privacy_complaints(
    compliance: &Compliance,
    ctx: Ctx,
    request: ListPrivacyComplaintsRequest,
) -> Result<ListPrivacyComplaintsResponse, Error> {
    let scope = ctx.scope();
    let store = async |tx: &mut ListTx, filter: &Filter, page: &Page| {
        privacy_complaints::list(tx, &scope, filter, page).await
    };
    list(compliance, &ctx, &request, store, |found, next_page_token| ListPrivacyComplaintsResponse {
        privacy_complaints: found.into_iter().map(Into::into).collect(),
        next_page_token,
    })
    .await
}

impl TryFrom<&ListPrivacyComplaintsRequest> for Filter {
    type Error = Invalid;

    fn try_from(request: &ListPrivacyComplaintsRequest) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let state = violations.filter_enum("state", request.state);
        let email = violations.filter("email", &request.email);
        violations.finish(Some(Self { state, email }))
    }
}
