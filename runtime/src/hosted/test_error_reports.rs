//! Sends a report that says that it is a test, and remembers what became of it; deferred to oneself by a schedule. One
//! that does not arrive is tried again as every deferred call is, and becomes a dead letter that wakes somebody.

use std::sync::Arc;

use levqor_proto_runtime::v1::{TestErrorReportsRequest, TestErrorReportsResponse};

use super::{Error, Hosted};
use crate::{context::Ctx, rpc::State, self_test, service::Service};

pub(super) async fn test_error_reports<S: Service>(
    hosted: Arc<Hosted<S>>,
    _: Ctx,
    _: TestErrorReportsRequest,
) -> Result<TestErrorReportsResponse, Error> {
    // Where reports are off, that is what the status says, and there is nothing to test.
    let Some(reports) = &hosted.error_reports else { return Ok(TestErrorReportsResponse::default()) };
    let chassis = hosted.chassis();
    let sent = reports.test(S::NAME, chassis.clock.now()).await;
    // Only now: nothing of the database is held while we wait for somebody else.
    let mut conn = chassis.db.acquire().await?;
    match sent {
        Ok(event_id) => {
            self_test::succeeded(&mut conn, self_test::ERROR_REPORTS).await?;
            Ok(TestErrorReportsResponse { event_id })
        }
        Err(error) => {
            self_test::failed(&mut conn, self_test::ERROR_REPORTS, &error.to_string()).await?;
            Err(error.into())
        }
    }
}
