//! Lists waiting and dead deferred calls, for admins.

use std::sync::Arc;

use levqor_proto_runtime::v1::{ListDeferredCallsRequest, ListDeferredCallsResponse, deferred_call};

use super::{Error, Hosted};
use crate::{context::Ctx, db::Page, deferred::store, error::Violations, rpc::State, service::Service};

pub(super) async fn list_deferred_calls<S: Service>(
    hosted: Arc<Hosted<S>>,
    _: Ctx,
    request: ListDeferredCallsRequest,
) -> Result<ListDeferredCallsResponse, Error> {
    let mut violations = Violations::new();
    let page = Page::parse(&mut violations, &request);
    let state = match deferred_call::State::try_from(request.state) {
        Ok(deferred_call::State::Unspecified) => None,
        Ok(deferred_call::State::Waiting) => Some("WAITING"),
        Ok(deferred_call::State::Dead) => Some("DEAD"),
        Err(_) => {
            violations.add("state", "expected STATE_WAITING or STATE_DEAD");
            None
        }
    };
    let page = violations.finish(page)?;
    let mut tx = hosted.chassis().db.begin_list().await?;
    let mut rows = store::list(&mut tx, state, page).await?;
    tx.commit().await?;
    let next_page_token = page.cut(&mut rows, |row| (row.create_time, row.work_id));
    Ok(ListDeferredCallsResponse {
        deferred_calls: rows.into_iter().map(Into::into).collect(),
        next_page_token,
    })
}
